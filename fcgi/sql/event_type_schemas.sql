-- name: event_type_schemas
--
-- Which of a project's event types have a schema, and which state of it: created_at tells two types of one name apart,
-- version two states of one type. Takes no locks. Called by event_schemas.c, at most every 5 s a project and process.
--
-- $1 project
-- => name, created_at in microseconds, version
SELECT e.name, (extract(epoch FROM e.created_at) * 1000000)::bigint, e.version
  FROM event_types e
 WHERE e.project_id = $1 AND e.schema IS NOT NULL
 ORDER BY e.name COLLATE "C";
