-- name: webhook_release
--
-- Moves what waits for a retry time to what is sent now, at most $3 rows, in no order: an order would sort all of
-- a million. Rows a sender is promoting at this moment are its own and skipped. A re-drive keeps its class.
-- Locks: the moved rows. Called by POST /v1/webhooks/{id}/retry-now and by DELETE /v1/webhooks/{id} (also of a
-- webhook already deleted).
--
-- $1 project  $2 public id  $3 most rows
-- => moved bigint
WITH due AS (
    SELECT l.ctid AS at
      FROM later l
     WHERE l.project_id = $1
       AND l.webhook_id = (SELECT w.id FROM webhooks w WHERE w.project_id = $1 AND w.public_id = $2)
     LIMIT $3
       FOR UPDATE OF l SKIP LOCKED
), moved AS (
    DELETE FROM later l
     WHERE l.project_id = $1 AND l.ctid = ANY (ARRAY(SELECT at FROM due))
    RETURNING l.*
), queued AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, entry_id, created_at, ready_at, shaped)
    SELECT m.shard, m.project_id, m.webhook_id, m.payload_bytes, m.source_drawer, m.tries, greatest(m.class, 1),
           m.generation, m.delivery_id, m.event_id, m.entry_id, m.created_at, dlo_now(), m.shaped
      FROM moved m
    ON CONFLICT (project_id, delivery_id) DO NOTHING
)
SELECT count(*) FROM moved;
