-- name: operation_settle
-- params: $1 operation uuid, $2 most items int4
-- returns: items taken int8, those that succeeded int8
-- locks: the operation, the entries it changes
-- called by: maintainer, for a running discard, restore or purge: the next items in order. State, counts, outcome and how far
--            it got are one statement: killed anywhere, it goes on with the next item.
WITH turn AS MATERIALIZED (
    SELECT * FROM dlo_operation_turn($1::uuid, $2::int4, $2::int4)),
items AS MATERIALIZED (
    SELECT t.number, t.project_id, t.kind, t.actor, t.reason AS why, i.item, i.entry_id, i.drawer
      FROM turn t CROSS JOIN LATERAL (
        SELECT b.item, b.entry_id, b.drawer FROM bulk_items b
         WHERE b.operation = t.number AND b.item > t.fed AND b.item <= t.fed + t.n
         ORDER BY b.item) i),
done AS MATERIALIZED (
    SELECT a.number, a.project_id, m.*
      FROM (SELECT number, project_id, kind, actor, why, array_agg(item ORDER BY item) AS items,
                   array_agg(drawer ORDER BY item) AS drawers, array_agg(entry_id ORDER BY item) AS entries
              FROM items GROUP BY 1, 2, 3, 4, 5) a
     CROSS JOIN LATERAL dlo_items_settle(a.kind, a.project_id, a.items, a.drawers, a.entries, a.actor, a.why) m),
counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT d.project_id, d.webhook_id, coalesce(d.channel, ''), d.reason, s.state, sum(s.n)
      FROM done d CROSS JOIN LATERAL (VALUES (d.from_state, -1), (d.to_state, 1)) AS s(state, n)
     WHERE d.cause = 0 AND d.counted
     GROUP BY 1, 2, 3, 4, 5),
ended AS (
    INSERT INTO bulk_deltas (operation, outcome, n)
    SELECT e.number, e.outcome, sum(e.n) FROM (
        SELECT number, CASE WHEN cause = 0 THEN 1 ELSE 4 END AS outcome,
               dlo_item_end(number, item, CASE WHEN cause = 0 THEN 1 ELSE 4 END::int2, cause, NULL, NULL, NULL) AS n
          FROM done OFFSET 0) e
     GROUP BY 1, 2)
SELECT count(*), count(*) FILTER (WHERE cause = 0), dlo_operation_refund($1::uuid, count(*) FILTER (WHERE cause > 0)) FROM done
