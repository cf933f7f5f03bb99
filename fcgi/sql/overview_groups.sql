-- name: overview_groups
--
-- What the newest thousand open entries have in common: the five most frequent causes. Takes no locks. Called by
-- GET /v1/overview.
--
-- $1 project
-- => fingerprint, reason, last_status, webhook, count, last_error, first_seen_at, last_seen_at
WITH newest AS (
    SELECT o.fingerprint, o.reason, o.last_status, o.webhook_id, o.last_error, o.created_at, o.id
      FROM dead_letters o
     WHERE o.project_id = $1 AND o.state = 1
       AND o.created_at > (SELECT dlo_now() - make_interval(secs => p.retention_s) FROM projects p WHERE p.id = $1)/*drawers*/
     ORDER BY o.created_at DESC, o.id DESC
     LIMIT 1000
), counted AS (
    SELECT n.fingerprint, count(*) AS n, min(n.created_at) AS first_seen_at, max(n.created_at) AS last_seen_at
      FROM newest n
     GROUP BY n.fingerprint
     ORDER BY n DESC, n.fingerprint
     LIMIT 5
)
SELECT encode(c.fingerprint, 'hex'), l.reason, l.last_status, w.public_id, c.n, l.last_error, c.first_seen_at,
       c.last_seen_at
  FROM counted c
 CROSS JOIN LATERAL (
        SELECT * FROM newest n WHERE n.fingerprint = c.fingerprint ORDER BY n.created_at DESC, n.id DESC LIMIT 1) l
  JOIN webhooks w ON w.project_id = $1 AND w.id = l.webhook_id
 ORDER BY c.n DESC, c.fingerprint;
