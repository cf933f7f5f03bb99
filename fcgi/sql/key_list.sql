-- name: key_list
-- params: $1 int project, $2 int limit, $3 timestamptz and $4 uuid of the last row shown (NULL: first page)
-- locks: none
-- called by: keys.c
SELECT id, name, hint, array_to_string(scopes, ' '), dlo_iso(created_at), (extract(epoch FROM created_at) * 1000000)::bigint
  FROM api_keys
 WHERE project_id = $1::integer AND revoked_at IS NULL
   AND ($3::timestamptz IS NULL OR (created_at, id) < ($3::timestamptz, $4::uuid))
 ORDER BY created_at DESC, id DESC
 LIMIT $2::integer
