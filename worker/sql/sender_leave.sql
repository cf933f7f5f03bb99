-- name: sender_leave
-- params: $1 owner uuid
-- locks: its lease rows, its own row
-- called by: sender, last statement of an orderly stop
WITH l AS (UPDATE shard_leases SET owner = NULL, expires_at = '-infinity' WHERE owner = $1::uuid)
DELETE FROM senders WHERE owner = $1::uuid
