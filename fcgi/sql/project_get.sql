-- name: project_get
-- params: $1 uuid id
-- locks: none
-- called by: projects.c, keys.c
SELECT public_id, name, plan, retention_s, version, dlo_iso(created_at), id, edit_redrive
  FROM projects WHERE public_id = $1::uuid AND deleted_at IS NULL
