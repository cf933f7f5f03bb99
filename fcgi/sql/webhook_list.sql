-- name: webhook_list
--
-- One page of webhooks, newest first. Takes no locks. Called by GET /v1/webhooks.
--
-- $1 project  $2 most rows  $3 the last webhook of the page before, or NULL
-- => the row as JSON
SELECT to_jsonb(w)
  FROM webhooks w
 WHERE w.project_id = $1 AND w.deleted_at IS NULL
   AND ($3::uuid IS NULL
        OR w.id < (SELECT b.id FROM webhooks b WHERE b.project_id = $1 AND b.public_id = $3::uuid))
 ORDER BY w.id DESC
 LIMIT $2;
