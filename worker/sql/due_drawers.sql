-- name: due_drawers
-- params: none
-- returns: drawer int4, suffix of its tables' names text, oldest first
-- locks: none
-- called by: maintainer, every minute: the drawers whose day has come
SELECT drawer, suffix FROM drawers
 WHERE drawer < 2000000 AND CASE WHEN drawer >= 1000000 THEN drawer - 1000000 ELSE drawer END <= dlo_day(dlo_now())
 ORDER BY CASE WHEN drawer >= 1000000 THEN drawer - 1000000 ELSE drawer END
