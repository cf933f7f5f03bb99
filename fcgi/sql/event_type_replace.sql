-- name: event_type_replace
--
-- Other contents for an event type that exists. Runs after webhook_lock_plan in one transaction, in which the version
-- was compared. Locks: the row. Called by PUT /v1/event-types/{name}.
--
-- $1 project  $2 name  $3 description or NULL  $4 schema or NULL
-- => as event_type_get
UPDATE event_types e
   SET description = $3::text, schema = $4::text, version = e.version + 1, updated_at = dlo_now()
 WHERE e.project_id = $1 AND e.name = $2
RETURNING e.name, e.description, e.schema, e.version, dlo_iso(e.created_at), dlo_iso(e.updated_at);
