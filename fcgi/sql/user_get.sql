-- name: user_get
-- params: $1 uuid id
-- locks: none
-- called by: users.c
SELECT id, login, dlo_iso(created_at), dlo_iso(disabled_at) FROM users WHERE id = $1::uuid
