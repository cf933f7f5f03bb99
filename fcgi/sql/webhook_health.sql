-- name: webhook_health
--
-- What stands in the database about one webhook's health: settings, depth of its queue, open dead letters, the
-- drawers in which its attempts of the last day lie (for webhook_health_attempts), and its circuit, which has a row only
-- while it is not closed. A queue is counted up to $3.
-- Takes no locks. Called by GET /v1/webhooks/{id}/health.
--
-- $1 project  $2 public id  $3 most rows counted of each queue
-- => id, enabled, disabled_reason, paused, open, due, later, first_drawer, last_drawer; state of the circuit (1 open,
--    2 half open), opened_at, next_probe_at, cooldown_s, failures, requests, tripped_by as JSON: all NULL while closed
SELECT w.id, w.enabled, w.disabled_reason, w.paused_at IS NOT NULL AS paused,
       (SELECT coalesce(sum(c.n), 0) FROM dlq_counts c
         WHERE c.project_id = $1 AND c.webhook_id = w.id AND c.state = 1)
       + (SELECT coalesce(sum(d.n), 0) FROM dlq_deltas d
           WHERE d.project_id = $1 AND d.webhook_id = w.id AND d.state = 1) AS open,
       (SELECT count(*) FROM (SELECT FROM ready r
                               WHERE r.project_id = $1 AND r.shard = w.shard AND r.webhook_id = w.id
                               LIMIT $3) counted) AS due,
       (SELECT count(*) FROM (SELECT FROM later l
                               WHERE l.project_id = $1 AND l.webhook_id = w.id
                               LIMIT $3) counted) AS later,
       dlo_drawer(dlo_now() - interval '24 hours', p.retention_s) AS first_drawer,
       dlo_drawer(dlo_now(), p.retention_s) AS last_drawer,
       b.state, b.opened_at, b.next_probe_at, b.cooldown_s, b.failures, b.requests,
       (SELECT jsonb_agg(dlo_id('dlv', t.id) ORDER BY t.n) FROM unnest(b.tripped_by) WITH ORDINALITY t(id, n)) AS tripped
  FROM webhooks w
  JOIN projects p ON p.id = w.project_id
  LEFT JOIN breakers b ON b.project_id = $1 AND b.webhook_id = w.id
 WHERE w.project_id = $1 AND w.public_id = $2 AND w.deleted_at IS NULL;
