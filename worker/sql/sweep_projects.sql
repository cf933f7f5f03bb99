-- name: sweep_projects
-- params: none
-- returns: project int4
-- locks: none
-- called by: maintainer, before dlq_sweep: the projects that may have entries
SELECT id FROM projects ORDER BY id
