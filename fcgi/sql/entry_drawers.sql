-- name: entry_drawers
--
-- The drawers that hold dead letters of a project, as ranges: daily ones, weekly ones, held. Takes no locks. Called by
-- everything that lists dead letters, before it does.
--
-- $1 project
-- => first, last
SELECT min(x.drawer), max(x.drawer) FROM dlq_drawers x WHERE x.project_id = $1 GROUP BY x.drawer / 1000000 ORDER BY 1;
