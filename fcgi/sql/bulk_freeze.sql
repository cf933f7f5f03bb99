-- name: bulk_freeze
--
-- Makes an operation over the set that matches now: ids and drawers, oldest first, numbered. One statement and no
-- transaction around it; what matches later is not in it. The inner select says which: what stands here takes ids, filters
-- put their own between the two marks (their parameters begin where the ids stand), and so does retry-failed. The LIMIT
-- has each id looked up: sorts are off, and = ANY was a walk through the whole ledger in its order. A re-drive of several
-- webhooks gets a lane for each, in which its items stand together. A key that was used within a day makes nothing: that
-- operation is answered. Aborts with count-changed, start-too-far, too-many-operations, or (a select that searches) search-too-wide.
-- Locks: none but its own new rows. Called by POST /v1/dlq/bulk-… and /v1/bulk-operations/{id}/retry-failed.
--
-- $1 project  $2 new id  $3 kind  $4 name  $5 reason  $6 what was asked for, JSON  $7 whose failed items  $8 actor
-- $9 Idempotency-Key or NULL  $10 today's transform  $11 items a second or NULL  $12 most items  $13 expected total or NULL
-- $14 most that are looked for  $15 start or NULL: now  $16 whether to probe  $17 request id  $18 most that may be active
-- $19 whether to the original URLs  $20 ids of entries, or of their deliveries
-- => id, total, whether it was there before
WITH again AS MATERIALIZED (
    SELECT o.id, o.total
      FROM bulk_operations o
     WHERE o.project_id = $1 AND o.key_hash = sha256(convert_to($9::text, 'UTF8')) AND o.actor = $8::text
       AND o.kind = $3::smallint AND o.retry_of IS NOT DISTINCT FROM $7::uuid
       AND o.created_at > dlo_now() - interval '24 hours'
     LIMIT 1
), picked AS MATERIALIZED (
    SELECT x.id, x.drawer, x.webhook_id, row_number() OVER () AS item
      FROM (
        /*<*/
        SELECT DISTINCT d.id, d.drawer, d.created_at, d.webhook_id
          FROM unnest($20::uuid[]) AS k(id)
         CROSS JOIN LATERAL (
            (SELECT o.id, o.drawer, o.created_at, o.webhook_id FROM dead_letters o
              WHERE o.project_id = $1 AND o.id = k.id LIMIT 1)
             UNION ALL
            (SELECT o.id, o.drawer, o.created_at, o.webhook_id FROM dead_letters o
              WHERE o.project_id = $1 AND o.delivery_id = k.id LIMIT 1)
             LIMIT 1) d
         ORDER BY d.created_at, d.id
        /*>*/
           ) x
     WHERE NOT EXISTS (SELECT FROM again)
     LIMIT $14::integer
), matched AS MATERIALIZED (
    SELECT count(*)::integer AS n FROM picked
), hooks AS MATERIALIZED (
    SELECT webhook_id, count(*)::integer AS n FROM picked WHERE item <= $12::integer GROUP BY 1
), lanes AS MATERIALIZED (
    SELECT h.webhook_id, h.n, (sum(h.n) OVER (ORDER BY h.webhook_id) - h.n)::integer AS before
      FROM hooks h
     WHERE $3::smallint = 1 AND (SELECT count(*) FROM hooks) > 1
), made AS (
    INSERT INTO bulk_operations (id, project_id, kind, state, name, reason, query, retry_of, actor, key_hash, anew, rate,
                                 truncated, total, probe_size, start_at, started_at, finished_at, original, webhook_id)
    SELECT $2, $1, $3, CASE WHEN m.n = 0 THEN 6 ELSE 1 END, $4, $5, $6::jsonb, $7, $8, sha256(convert_to($9::text, 'UTF8')),
           $10, $11::real, m.n > $12::integer, least(m.n, $12::integer), CASE WHEN $16::boolean THEN 1 ELSE 0 END,
           greatest(coalesce($15::timestamptz, dlo_now()), dlo_now()),
           CASE WHEN m.n = 0 THEN dlo_now() END, CASE WHEN m.n = 0 THEN dlo_now() END, $19::boolean,
           (SELECT min(h.webhook_id) FROM hooks h HAVING count(*) = 1)
      FROM matched m
     WHERE NOT EXISTS (SELECT FROM again)
       AND CASE WHEN (SELECT count(*) FROM bulk_operations o WHERE o.project_id = $1 AND o.state <= 4) >= $18::integer
                THEN dlo_abort('too-many-operations') ELSE 1 END = 1
       AND CASE WHEN $13::integer IS NOT NULL AND m.n <> $13::integer THEN dlo_abort('count-changed ' || m.n) ELSE 1 END = 1
       AND CASE WHEN $15::timestamptz > dlo_now() + interval '30 days' THEN dlo_abort('start-too-far') ELSE 1 END = 1
    RETURNING number, total
), items AS (
    INSERT INTO bulk_items (operation, item, drawer, entry_id)
    SELECT m.number, p.item, p.drawer, p.id
      FROM made m CROSS JOIN picked p
     WHERE p.item <= $12::integer AND NOT EXISTS (SELECT FROM lanes)
     UNION ALL
    SELECT m.number, l.before + row_number() OVER (PARTITION BY p.webhook_id ORDER BY p.item), p.drawer, p.id
      FROM made m CROSS JOIN picked p JOIN lanes l ON l.webhook_id = p.webhook_id
     WHERE p.item <= $12::integer AND EXISTS (SELECT FROM lanes)
), stood AS (
    INSERT INTO bulk_lanes (operation, webhook_id, first, last, next)
    SELECT m.number, l.webhook_id, l.before + 1, l.before + l.n, l.before + 1 FROM made m CROSS JOIN lanes l
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $8, 'operation.create', dlo_id('op', $2),
           jsonb_strip_nulls(jsonb_build_object('kind', $3::smallint, 'total', m.total, 'query', $6::jsonb, 'reason', $5::text)),
           $17
      FROM made m
)
SELECT $2::uuid AS id, m.total, false AS again FROM made m
UNION ALL
SELECT a.id, a.total, true FROM again a;
