-- name: user_list
-- params: $1 int limit, $2 timestamptz and $3 uuid of the last row shown (NULL: first page)
-- locks: none
-- called by: users.c
SELECT id, login, dlo_iso(created_at), dlo_iso(disabled_at), (extract(epoch FROM created_at) * 1000000)::bigint
  FROM users
 WHERE $2::timestamptz IS NULL OR (created_at, id) < ($2::timestamptz, $3::uuid)
 ORDER BY created_at DESC, id DESC
 LIMIT $1::integer
