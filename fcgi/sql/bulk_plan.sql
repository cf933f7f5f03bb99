-- name: bulk_plan
--
-- What an operation over the set that matches now would find, without making it. The inner select as in bulk_freeze;
-- one that searches may abort with search-too-wide. Takes no locks. Called by POST /v1/dlq/bulk-… with dryRun.
--
-- $1 project  $2 kind  $3 most items  $4 most that are looked for  $5 items a second or NULL  $6 start or NULL: now
-- $7 ids of entries, or of their deliveries
-- => matched, taken, webhooks, of those taken by cause as {number: n}, of those eligible how many expire before their turn
WITH p AS MATERIALIZED (
    SELECT make_interval(secs => retention_s) AS retention, dlo_now() - make_interval(secs => retention_s) AS since,
           greatest(coalesce($6::timestamptz, dlo_now()), dlo_now()) AS start
      FROM projects WHERE id = $1
), picked AS MATERIALIZED (
    SELECT x.webhook_id, x.state, x.created_at, row_number() OVER () AS item
      FROM (
        /*<*/
        SELECT DISTINCT d.id, d.drawer, d.created_at, d.webhook_id, d.state
          FROM unnest($7::uuid[]) AS k(id)
         CROSS JOIN LATERAL (
            (SELECT o.id, o.drawer, o.created_at, o.webhook_id, o.state FROM dead_letters o
              WHERE o.project_id = $1 AND o.id = k.id LIMIT 1)
             UNION ALL
            (SELECT o.id, o.drawer, o.created_at, o.webhook_id, o.state FROM dead_letters o
              WHERE o.project_id = $1 AND o.delivery_id = k.id LIMIT 1)
             LIMIT 1) d
         ORDER BY d.created_at, d.id
        /*>*/
           ) x
     LIMIT $4::integer
), summed AS (
    SELECT t.webhook_id, t.state, t.created_at <= p.since AS expired, count(*) AS n,
           count(*) FILTER (WHERE t.created_at > p.since
                              AND t.created_at + p.retention <= p.start + make_interval(secs => t.item / $5::float8)) AS late
      FROM picked t CROSS JOIN p
     WHERE t.item <= $3::integer
     GROUP BY 1, 2, 3
), judged AS MATERIALIZED (
    SELECT s.webhook_id, s.n, s.late, dlo_item_cause($2::smallint, s.state, s.expired, w.deleted_at IS NOT NULL, w.enabled) AS cause
      FROM summed s JOIN webhooks w ON w.project_id = $1 AND w.id = s.webhook_id
)
SELECT (SELECT count(*) FROM picked) AS matched, (SELECT coalesce(sum(n), 0) FROM judged)::bigint AS taken,
       (SELECT count(DISTINCT webhook_id) FROM judged) AS webhooks,
       (SELECT coalesce(jsonb_object_agg(c.cause, c.n), '{}') FROM (SELECT cause, sum(n) AS n FROM judged GROUP BY 1) c) AS causes,
       (SELECT coalesce(sum(late), 0) FROM judged WHERE cause = 0)::bigint AS expiring;
