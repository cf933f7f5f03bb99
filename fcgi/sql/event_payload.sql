-- name: event_payload
--
-- The bytes of one event. Takes no locks. Called by GET /v1/events/{id}.
--
-- $1 project  $2 event  $3 its drawer
-- => payload
SELECT e.payload FROM events e WHERE e.project_id = $1 AND e.id = $2 AND e.drawer = $3;
