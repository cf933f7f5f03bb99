-- name: sender_join
-- params: $1 owner uuid, $2 host text, $3 pid int4
-- locks: inserts its own row
-- called by: sender, once per connection that is the process's first
INSERT INTO senders (owner, host, pid) VALUES ($1::uuid, $2::text, $3::int4)
ON CONFLICT (owner) DO UPDATE SET seen_at = clock_timestamp(), leaving = false
