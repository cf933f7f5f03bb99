-- name: drop_keys
-- params: $1 suffix text
-- locks: ACCESS EXCLUSIVE on one day of event_keys, with a lock_timeout of 200 ms
-- called by: maintainer
SELECT dlo_drop_keys($1::text)
