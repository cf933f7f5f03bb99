-- name: project_list
-- params: $1 int limit, $2 timestamptz and $3 uuid of the last row shown (NULL: first page)
-- locks: none
-- called by: projects.c
SELECT public_id, name, plan, retention_s, version, dlo_iso(created_at), (extract(epoch FROM created_at) * 1000000)::bigint,
       edit_redrive
  FROM projects
 WHERE deleted_at IS NULL
   AND ($2::timestamptz IS NULL OR (created_at, public_id) < ($2::timestamptz, $3::uuid))
 ORDER BY created_at DESC, public_id DESC
 LIMIT $1::integer
