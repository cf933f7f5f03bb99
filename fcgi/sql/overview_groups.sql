-- name: overview_groups
--
-- What the newest thousand open entries have in common: the five most frequent causes. Takes no locks. Called by
-- GET /v1/overview.
--
-- $1 project
-- => fingerprint, reason, last_status, webhook, count, last_error, first_seen_at, last_seen_at
WITH newest AS (
    SELECT d.fingerprint, d.reason, d.last_status, d.webhook_id, d.last_error, d.created_at, d.id
      FROM dead_letters d
     WHERE d.project_id = $1 AND d.state = 1
       AND d.created_at > (SELECT dlo_now() - make_interval(secs => p.retention_s) FROM projects p WHERE p.id = $1)
     ORDER BY d.created_at DESC, d.id DESC
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
