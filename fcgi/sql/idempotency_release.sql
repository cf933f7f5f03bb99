-- name: idempotency_release
-- params: $1 bytea hash of the key
-- locks: the key's row
-- called by: idempotency.c
DELETE FROM idempotency_keys WHERE key_hash = $1::bytea AND status = 0
