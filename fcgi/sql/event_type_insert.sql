-- name: event_type_insert
--
-- A new event type, if the project has room. Runs after webhook_lock_plan in one transaction: its own snapshot is
-- younger than the lock, so the count is exact. Locks: the new row. Called by PUT /v1/event-types/{name}.
--
-- $1 project  $2 name  $3 description or NULL  $4 schema or NULL  $5 most types a project may have
-- => as event_type_get; no row: the project is full
INSERT INTO event_types (project_id, name, description, schema)
SELECT $1, $2::text, $3::text, $4::text
 WHERE (SELECT count(*) FROM event_types e WHERE e.project_id = $1) < $5::bigint
RETURNING name, description, schema, version, dlo_iso(created_at), dlo_iso(updated_at);
