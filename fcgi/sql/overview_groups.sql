-- name: overview_groups
--
-- The five groups with the most open entries, from their counters (a project has at most 1,000 such groups). Takes no
-- locks. Called by GET /v1/overview.
--
-- $1 project
-- => fingerprint, reason, last_status, webhook, count, last_error, first_seen_at, last_seen_at
SELECT encode(g.fingerprint, 'hex'), g.reason, g.last_status, w.public_id, g.open, e.last_error, g.first_seen_at,
       g.last_seen_at
  FROM (SELECT r.* FROM dlq_groups r
         WHERE r.project_id = $1 AND r.open > 0 AND r.fingerprint <> decode(repeat('00', 16), 'hex')
         ORDER BY r.open DESC, r.fingerprint
         LIMIT 5) g
  JOIN webhooks w ON w.project_id = $1 AND w.id = g.webhook_id
  LEFT JOIN LATERAL (
        SELECT d.last_error FROM dead_letters d
         WHERE d.project_id = $1 AND d.id = g.entry_id AND d.drawer = g.entry_drawer
         LIMIT 1) e ON true
 ORDER BY g.open DESC, g.fingerprint;
