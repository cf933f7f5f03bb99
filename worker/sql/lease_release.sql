-- name: lease_release
-- params: $1 owner uuid, $2 shards int2[]
-- locks: its lease rows
-- called by: sender, when a shard has drained: on leaving, or when another sender joined
UPDATE shard_leases SET owner = NULL, expires_at = '-infinity' WHERE owner = $1::uuid AND shard = ANY($2::int2[])
