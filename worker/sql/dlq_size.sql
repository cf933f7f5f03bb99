-- name: dlq_size
-- params: none
-- returns: open entries int8
-- locks: none
-- called by: maintainer, for the log lines of seed 000
SELECT coalesce((SELECT sum(n) FROM dlq_counts WHERE state = 1), 0)
     + coalesce((SELECT sum(n) FROM dlq_deltas WHERE state = 1), 0)
