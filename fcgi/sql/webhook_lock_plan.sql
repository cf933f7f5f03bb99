-- name: webhook_lock_plan
--
-- Holds the project's row until the transaction ends, so that two creations at once cannot both take the last place
-- of the plan. Locks: projects, one row, NO KEY UPDATE (ingest and foreign keys pass). Called by POST /v1/webhooks
-- and PUT /v1/event-types/{name}, which has a limit of its own.
--
-- $1 project
-- => the project, if there is one
SELECT p.id
  FROM projects p
 WHERE p.id = $1 AND p.deleted_at IS NULL
   FOR NO KEY UPDATE;
