-- name: event_type_schema
--
-- The schema of one event type. Takes no locks. Called by event_schemas.c when it has not compiled this state of it.
--
-- $1 project  $2 name
-- => schema, created_at in microseconds, version; no row: it has none any more
SELECT e.schema, (extract(epoch FROM e.created_at) * 1000000)::bigint, e.version
  FROM event_types e
 WHERE e.project_id = $1 AND e.name = $2 AND e.schema IS NOT NULL;
