-- name: trials_waiting
-- params: $1 shards int2[], $2 trials that are under way uuid[]
-- returns: trials nobody has run yet, the oldest first, at most 16 (binary form)
-- locks: none
-- called by: sender, once a second
SELECT t.id, t.project_id, t.transform, t.payload
  FROM trials t
 WHERE t.done_at IS NULL AND t.shard = ANY ($1::int2[]) AND t.id <> ALL ($2::uuid[])
 ORDER BY t.created_at
 LIMIT 16
