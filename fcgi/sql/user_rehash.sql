-- name: user_rehash
-- params: $1 uuid user, $2 text old hash, $3 text new hash of the same password
-- locks: the user's row
-- called by: session.c
UPDATE users SET password_hash = $3::text WHERE id = $1::uuid AND password_hash = $2::text
