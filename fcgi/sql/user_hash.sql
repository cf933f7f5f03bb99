-- name: user_hash
-- params: $1 uuid user
-- locks: none
-- called by: session.c
SELECT login, password_hash FROM users WHERE id = $1::uuid AND disabled_at IS NULL
