-- name: operation_fold
-- params: none
-- returns: deltas folded int8
-- locks: the deltas it deletes, the operations they belong to
-- called by: maintainer, twice a second: outcomes of items go from deltas into their operation's row
WITH taken AS MATERIALIZED (
    DELETE FROM bulk_deltas d WHERE d.id <= (SELECT max(x.id) FROM (SELECT id FROM bulk_deltas ORDER BY id LIMIT 20000) x)
    RETURNING d.operation, d.outcome, d.n),
sums AS MATERIALIZED (
    SELECT operation, coalesce(sum(n) FILTER (WHERE outcome = 1), 0) AS succeeded,
           coalesce(sum(n) FILTER (WHERE outcome = 2), 0) AS failed,
           coalesce(sum(n) FILTER (WHERE outcome = 3), 0) AS cancelled,
           coalesce(sum(n) FILTER (WHERE outcome = 4), 0) AS skipped
      FROM taken GROUP BY 1),
folded AS (
    UPDATE bulk_operations o
       SET succeeded = o.succeeded + s.succeeded, failed = o.failed + s.failed, cancelled = o.cancelled + s.cancelled,
           skipped = o.skipped + s.skipped
      FROM sums s WHERE o.number = s.operation)
SELECT count(*) FROM taken
