-- name: cut_kept
-- params: none
-- locks: the rows it deletes
-- called by: maintainer, every minute: what bounds the kept tables (docs/INTERNALS.md "Bounds")
WITH a AS (DELETE FROM idempotency_keys WHERE created_at < dlo_now() - interval '24 hours'),
     b AS (DELETE FROM sessions WHERE expires_at < dlo_now()),
     c AS (DELETE FROM sign_in_failures WHERE at < dlo_now() - interval '15 minutes'),
     d AS (DELETE FROM senders WHERE seen_at < clock_timestamp() - interval '1 hour'),
     e AS (DELETE FROM expired_counts WHERE day < dlo_day(dlo_now()) - 400),
     f AS (DELETE FROM trials WHERE created_at < dlo_now() - interval '1 hour')
SELECT dlo_cut_audit()
