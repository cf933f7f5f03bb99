-- name: bulk_items
--
-- Items of one operation in their order. Each outcome has a branch of its own, so that few failed ones among a million are
-- found by their index. Takes no locks. Called by GET /v1/bulk-operations/{id} and /{id}/items.
--
-- $1 project  $2 operation  $3 behind this item  $4 most rows  $5 outcome: NULL any, -1 not started, 0 under way, else as stored
-- => item, entry, outcome (likewise), cause, delivery, the entry in which it ended
WITH op AS MATERIALIZED (
    SELECT o.number, o.fed, EXISTS (SELECT FROM bulk_lanes l WHERE l.operation = o.number) AS lanes
      FROM bulk_operations o WHERE o.project_id = $1 AND o.id = $2
), page AS MATERIALIZED (
    SELECT x.* FROM op CROSS JOIN LATERAL (
        (SELECT i.* FROM bulk_items i WHERE $5::smallint IS NULL AND i.operation = op.number AND i.item > $3::integer
          ORDER BY i.item LIMIT $4::integer)
        UNION ALL
        (SELECT i.* FROM bulk_items i
          WHERE $5::smallint = -1 AND NOT op.lanes AND i.operation = op.number AND i.item > greatest($3::integer, op.fed)
          ORDER BY i.item LIMIT $4::integer)
        UNION ALL
        (SELECT i.* FROM bulk_lanes l CROSS JOIN LATERAL (
                SELECT q.* FROM bulk_items q
                 WHERE q.operation = op.number AND q.item > $3::integer AND q.item >= l.next AND q.item <= l.last
                 ORDER BY q.item LIMIT $4::integer) i
          WHERE $5::smallint = -1 AND l.operation = op.number AND l.next <= l.last AND l.last > $3::integer
          ORDER BY l.first, i.item LIMIT $4::integer)
        UNION ALL
        (SELECT i.* FROM redrives r JOIN bulk_items i ON i.operation = r.operation AND i.item = r.item
          WHERE $5::smallint = 0 AND r.operation = op.number AND r.item > $3::integer
          ORDER BY r.item LIMIT $4::integer)
        UNION ALL
        (SELECT i.* FROM bulk_items i WHERE $5::smallint = 1 AND i.operation = op.number AND i.item > $3::integer AND i.outcome = 1
          ORDER BY i.item LIMIT $4::integer)
        UNION ALL
        (SELECT i.* FROM bulk_items i
          WHERE i.operation = op.number AND i.item > $3::integer AND i.outcome >= 2 AND i.outcome = $5::smallint
          ORDER BY i.item LIMIT $4::integer)) x
)
SELECT p.item, p.entry_id,
       CASE WHEN p.outcome = 0 AND p.item >= coalesce(lane.next, op.fed + 1) THEN -1 ELSE p.outcome END AS outcome, p.cause,
       coalesce(p.delivery_id, r.delivery_id) AS delivery_id, p.made_id
  FROM page p CROSS JOIN op
  LEFT JOIN LATERAL (
        SELECT l.next FROM bulk_lanes l WHERE l.operation = op.number AND l.first <= p.item
         ORDER BY l.first DESC LIMIT 1) lane ON true
  LEFT JOIN LATERAL (
        SELECT q.delivery_id FROM redrives q
         WHERE p.outcome = 0 AND q.operation = op.number AND q.item = p.item LIMIT 1) r ON true
 ORDER BY p.item;
