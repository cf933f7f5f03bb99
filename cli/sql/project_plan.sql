-- name: project_plan
-- params: $1 uuid id, $2 text plan, $3 int retention in seconds, $4 text id as shown
-- locks: the project's row
-- called by: project.c
WITH changed AS (
    UPDATE projects SET plan = $2::text, retention_s = $3::integer, version = version + 1
     WHERE public_id = $1::uuid AND deleted_at IS NULL RETURNING id)
INSERT INTO audit_log (project_id, actor, action, object, detail)
SELECT id, 'cli', 'project.plan', $4::text, jsonb_build_object('plan', $2::text, 'retentionSeconds', $3::integer) FROM changed
RETURNING id
