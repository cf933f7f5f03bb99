-- name: project_create
-- params: $1 uuid id, $2 text name, $3 text plan, $4 int retention in seconds, $5 text id as shown
-- locks: the new rows
-- called by: project.c
WITH made AS (
    INSERT INTO projects (public_id, name, plan, retention_s) VALUES ($1::uuid, $2::text, $3::text, $4::integer)
    RETURNING id, name, plan)
INSERT INTO audit_log (project_id, actor, action, object, detail)
SELECT id, 'cli', 'project.create', $5::text, jsonb_build_object('name', name, 'plan', plan) FROM made
