-- name: project_create
-- params: $1 uuid id, $2 text name, $3 text plan, $4 int retention in seconds
-- locks: the new row
-- called by: projects.c
INSERT INTO projects (public_id, name, plan, retention_s) VALUES ($1::uuid, $2::text, $3::text, $4::integer)
RETURNING public_id, name, plan, retention_s, version, dlo_iso(created_at), id, edit_redrive
