-- name: event_type_delete
--
-- Forgets an event type: events of it are taken unchecked from then on. Locks: the row. Called by
-- DELETE /v1/event-types/{name}.
--
-- $1 project  $2 name
-- => its last version; no row: there was none
DELETE FROM event_types e
 WHERE e.project_id = $1 AND e.name = $2
RETURNING e.version;
