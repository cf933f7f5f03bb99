-- name: user_create
-- params: $1 uuid id, $2 text login, $3 text password hash
-- locks: the new row
-- called by: users.c
INSERT INTO users (id, login, password_hash) VALUES ($1::uuid, $2::text, $3::text)
ON CONFLICT (login) DO NOTHING
RETURNING dlo_iso(created_at)
