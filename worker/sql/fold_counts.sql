-- name: fold_counts
-- params: none
-- returns: deltas folded int8
-- locks: the deltas it deletes, the count rows it adds to; only the one active maintainer runs it
-- called by: maintainer, every second. What is taken is a range, in all folds: joined by id, a plan made while the table
--            was small compared each row with each (4.6 s for 5,000).
WITH gone AS (
    DELETE FROM dlq_deltas WHERE id <= (SELECT max(x.id) FROM (SELECT id FROM dlq_deltas ORDER BY id LIMIT 20000) x)
    RETURNING project_id, webhook_id, channel, reason, state, n),
sums AS (
    SELECT project_id, webhook_id, channel, reason, state, sum(n) AS n FROM gone GROUP BY 1, 2, 3, 4, 5),
added AS (
    INSERT INTO dlq_counts AS c (project_id, webhook_id, channel, reason, state, n)
    SELECT project_id, webhook_id, channel, reason, state, n FROM sums WHERE n <> 0
     ORDER BY project_id, webhook_id, channel, reason, state
    ON CONFLICT (project_id, webhook_id, channel, reason, state) DO UPDATE SET n = c.n + excluded.n)
SELECT count(*) FROM gone
