-- name: project_set
-- params: $1 uuid id, $2 bool whether dead letters may be edited, $3 int version that is expected (-1: any)
-- locks: the project's row
-- called by: projects.c
UPDATE projects SET edit_redrive = $2::boolean, version = version + 1
 WHERE public_id = $1::uuid AND deleted_at IS NULL AND $3::integer IN (-1, version)
RETURNING public_id, name, plan, retention_s, version, dlo_iso(created_at), id, edit_redrive
