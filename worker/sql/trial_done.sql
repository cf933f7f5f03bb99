-- name: trial_done
-- params: $1 trial uuid, $2 result bytea, $3 error code text, $4 error text, $5 microseconds int4
-- locks: its row
-- called by: sender. A trial that somebody else has finished is left as it is.
UPDATE trials SET result = $2::bytea, error_code = $3::text, error = $4::text, elapsed_us = $5::int4, done_at = dlo_now()
 WHERE id = $1::uuid AND done_at IS NULL
