-- name: due_drawers
-- params: none
-- returns: drawer int4, suffix of its tables' names text, oldest first
-- locks: none
-- called by: maintainer, every minute: the drawers whose day has come, five minutes into it: by
--            then dlq_sweep has counted what lay in them
SELECT drawer, suffix FROM drawers
 WHERE drawer < 2000000 AND CASE WHEN drawer >= 1000000 THEN drawer - 1000000 ELSE drawer END <= dlo_day(dlo_now() - interval '5 minutes')
 ORDER BY CASE WHEN drawer >= 1000000 THEN drawer - 1000000 ELSE drawer END
