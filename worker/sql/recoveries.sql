-- name: recoveries
-- params: $1 seconds between two operations of a webhook int4, $2 most of them in a project that have not ended nor been
--         paused by their probe int4, $3 most of them with those int4
-- returns: webhook int4, recovered text, what is to be done int2 (worker/auto_redrive.c: 0 wait, 1 forget it, 2 plan, 3 look at
--          the last operation, which its probe has paused), that operation uuid
-- locks: none
-- called by: maintainer, once a second. A circuit that is not closed will be told of again when it has recovered.
SELECT r.webhook_id, r.recovered_at::text,
       CASE WHEN w.auto_redrive IS NULL OR w.deleted_at IS NOT NULL OR NOT n.bulk_redrive
                 OR EXISTS (SELECT FROM breakers b WHERE b.webhook_id = r.webhook_id) THEN 1
            WHEN w.paused_at IS NOT NULL OR NOT w.enabled THEN 0
            WHEN o.state = 3 AND o.cause IS NOT NULL THEN 3
            WHEN o.state <= 4 OR o.created_at > dlo_now() - make_interval(secs => $1::int4) THEN 0
            WHEN (SELECT count(*) FILTER (WHERE a.state <> 3 OR a.cause IS NULL) >= $2::int4 OR count(*) >= $3::int4
                    FROM bulk_operations a
                   WHERE a.project_id = w.project_id AND a.actor = 'auto' AND a.state <= 4) THEN 0
            ELSE 2 END::int2, o.id
  FROM recoveries r
  JOIN webhooks w ON w.id = r.webhook_id
  JOIN projects p ON p.id = w.project_id
  JOIN plans n ON n.name = p.plan
  LEFT JOIN LATERAL (
    SELECT x.id, x.state, x.cause, x.created_at FROM bulk_operations x
     WHERE x.webhook_id = r.webhook_id AND x.actor = 'auto' ORDER BY x.created_at DESC LIMIT 1) o ON true
