-- name: webhook_retry_now
--
-- Tells the owner of the webhook to forget a Retry-After, and to probe at once while its circuit is open.
-- webhook_release in the same transaction moves the rows.
-- Locks: the row, until the transaction ends. Called by POST /v1/webhooks/{id}/retry-now.
--
-- $1 project  $2 public id  $3 actor  $4 id as shown  $5 request id
-- => one row if there is such a webhook
WITH changed AS (
    UPDATE webhooks w
       SET retry_now_at = dlo_now()
     WHERE w.project_id = $1 AND w.public_id = $2 AND w.deleted_at IS NULL
    RETURNING w.id
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, request_id)
    SELECT $1, $3, 'webhook.retry-now', $4, $5 FROM changed
)
SELECT id FROM changed;
