-- name: event_type_get
--
-- One event type with its schema. Takes no locks. Called by GET and PUT /v1/event-types/{name}.
--
-- $1 project  $2 name
-- => name, description, schema, version, created_at, updated_at
SELECT e.name, e.description, e.schema, e.version, dlo_iso(e.created_at), dlo_iso(e.updated_at)
  FROM event_types e
 WHERE e.project_id = $1 AND e.name = $2;
