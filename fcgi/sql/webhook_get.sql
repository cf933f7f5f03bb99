-- name: webhook_get
--
-- One webhook. Takes no locks. Called by GET and by PATCH, which merges what was sent into this row.
--
-- $1 project  $2 public id
-- => the row as JSON; its headers, sealed
SELECT to_jsonb(w), w.headers_sealed
  FROM webhooks w
 WHERE w.project_id = $1 AND w.public_id = $2 AND w.deleted_at IS NULL;
