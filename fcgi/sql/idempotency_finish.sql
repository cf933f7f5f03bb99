-- name: idempotency_finish
-- params: $1 bytea hash of the key, $2 int status, $3 text content type, $4 text Location, $5 text answer
-- locks: the key's row
-- called by: idempotency.c
UPDATE idempotency_keys
   SET status = $2::integer, content_type = $3::text, location = $4::text, answer = $5::text
 WHERE key_hash = $1::bytea AND status = 0
