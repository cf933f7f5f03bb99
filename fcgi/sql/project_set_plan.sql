-- name: project_set_plan
-- params: $1 uuid id, $2 text plan, $3 int retention in seconds, $4 int version that is expected (-1: any)
-- locks: the project's row
-- called by: projects.c
-- Effective at once: what is visible is derived from the retention.
UPDATE projects SET plan = $2::text, retention_s = $3::integer, version = version + 1
 WHERE public_id = $1::uuid AND deleted_at IS NULL AND $4::integer IN (-1, version)
RETURNING public_id, name, plan, retention_s, version, dlo_iso(created_at), id, edit_redrive
