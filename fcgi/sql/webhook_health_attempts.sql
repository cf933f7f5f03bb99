-- name: webhook_health_attempts
--
-- How the newest requests to one webhook went. Attempts have no index by webhook (it would cost every completion), so
-- this reads the project's newest ones by delivery, backwards along the primary key, at most $5, and keeps the
-- webhook's of the last 24 hours, at most 1,000. In a busy project a quiet webhook may have none among them.
-- Takes no locks. Called by GET /v1/webhooks/{id}/health.
--
-- $1 project  $2 webhook, internal id  $3 first drawer  $4 last drawer  $5 most rows read
-- => requests, delivered, p50_us, p95_us (NULL without requests)
SELECT count(*) AS requests,
       count(*) FILTER (WHERE o.outcome = 0) AS delivered,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY o.total_us) AS p50_us,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY o.total_us) AS p95_us
  FROM (SELECT n.outcome, n.total_us
          FROM (SELECT a.webhook_id, a.kind, a.at, a.outcome, a.total_us
                  FROM attempts a
                 WHERE a.project_id = $1 AND a.drawer BETWEEN $3 AND $4
                 ORDER BY a.delivery_id DESC, a.n DESC
                 LIMIT $5) n
         WHERE n.webhook_id = $2 AND n.kind = 0 AND n.at > dlo_now() - interval '24 hours'
         LIMIT 1000) o;
