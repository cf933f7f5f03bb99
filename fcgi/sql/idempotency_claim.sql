-- name: idempotency_claim
-- params: $1 bytea hash of the key, $2 bytea hash of the body
-- locks: the key's row; a second caller waits for the first one's claim, not for its work
-- called by: idempotency.c
-- One row: claimed, same body, then what is stored. A row older than 24 h, or left running for 60 s, is taken over.
WITH claim AS (
    INSERT INTO idempotency_keys AS k (key_hash, body_hash) VALUES ($1::bytea, $2::bytea)
    ON CONFLICT (key_hash) DO UPDATE
       SET body_hash = excluded.body_hash, status = 0, content_type = NULL, location = NULL, answer = NULL,
           created_at = dlo_now()
     WHERE k.created_at <= dlo_now() - interval '24 hours'
        OR (k.status = 0 AND k.body_hash = excluded.body_hash AND k.created_at <= dlo_now() - interval '60 seconds')
    RETURNING 1)
SELECT true, true, 0, NULL::text, NULL::text, NULL::text FROM claim
UNION ALL
SELECT false, body_hash = $2::bytea, status, content_type, location, answer
  FROM idempotency_keys
 WHERE key_hash = $1::bytea AND NOT EXISTS (SELECT FROM claim)
