-- name: recoveries_forget
-- params: $1 webhook int4, $2 recovered text, as it was read
-- locks: the row it deletes
-- called by: maintainer, when a recovery was acted on. One that was told meanwhile stays.
DELETE FROM recoveries r WHERE r.webhook_id = $1::int4 AND r.recovered_at = $2::timestamptz
