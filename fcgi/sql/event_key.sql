-- name: event_key
-- params: $1 project int4, $2 dedup key bytea, $3 payload hash bytea
-- returns: first event with this key uuid, its payload differs bool
-- locks: none
-- called by: events_post, events_batch, when an insert of a key collided with one that the statement could not see yet
SELECT event_id, body_hash <> $3::bytea FROM event_keys
 WHERE project_id = $1::int4 AND key_hash = $2::bytea
   AND day BETWEEN dlo_day(dlo_now()) - 8 AND dlo_day(dlo_now()) + 1
 ORDER BY created_at LIMIT 1
