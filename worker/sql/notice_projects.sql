-- name: notice_projects
-- params: none
-- returns: project int4
-- locks: none
-- called by: maintainer, every second: who has notices, by a loose index scan
WITH RECURSIVE p AS (
    (SELECT project_id FROM notices ORDER BY project_id LIMIT 1)
    UNION ALL
    SELECT n.project_id FROM p CROSS JOIN LATERAL (
        SELECT q.project_id FROM notices q WHERE q.project_id > p.project_id ORDER BY q.project_id LIMIT 1) n)
SELECT project_id FROM p
