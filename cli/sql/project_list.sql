-- name: project_list
-- params: $1 uuid id, or NULL for all
-- locks: none
-- called by: project.c, key.c, user.c
SELECT public_id, name, plan, retention_s, dlo_iso(created_at), id
  FROM projects
 WHERE deleted_at IS NULL AND ($1::uuid IS NULL OR public_id = $1::uuid)
 ORDER BY id
