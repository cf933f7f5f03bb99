-- name: operation_cut
-- params: $1 days after which items go int4
-- returns: rows deleted int8
-- locks: the rows it deletes
-- called by: maintainer, every minute until nothing is left to delete: items of operations that ended so long ago, and at
--            last the operations themselves
WITH old AS MATERIALIZED (
    SELECT o.id, o.number FROM bulk_operations o
     WHERE o.finished_at < dlo_now() - make_interval(days => $1::int4) ORDER BY o.id LIMIT 100),
items AS (
    DELETE FROM bulk_items x
     USING (SELECT i.ctid AS tid FROM old CROSS JOIN LATERAL (
                SELECT b.ctid FROM bulk_items b WHERE b.operation = old.number LIMIT 20000) i LIMIT 20000) y
     WHERE x.ctid = y.tid
    RETURNING 1),
whole AS (
    DELETE FROM bulk_operations o USING old
     WHERE o.id = old.id AND NOT EXISTS (SELECT FROM bulk_items b WHERE b.operation = old.number)
    RETURNING 1)
SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM whole)
