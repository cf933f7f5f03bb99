-- name: webhook_delete
--
-- Deletes softly: entries keep their destination, and what still waits is dead-lettered by the sender as
-- endpoint_disabled. webhook_release then spares the retries their waiting time; a crash in between costs only that.
-- Its circuit goes with it. Locks: the row, before it the project's if it listens on $dlq (see webhook_update). Called by
-- DELETE /v1/webhooks/{id}.
--
-- $1 project  $2 public id  $3 actor  $4 id as shown  $5 request id
-- => one row if there was such a webhook
WITH listening AS MATERIALIZED (
    SELECT id FROM projects
     WHERE id = $1
       AND EXISTS (SELECT FROM webhooks w WHERE w.project_id = $1 AND w.public_id = $2 AND '$dlq' = ANY (w.channels))
       FOR NO KEY UPDATE
), gone AS (
    UPDATE webhooks w
       SET deleted_at = dlo_now()
     WHERE (SELECT count(*) FROM listening) >= 0 AND w.project_id = $1 AND w.public_id = $2 AND w.deleted_at IS NULL
    RETURNING w.id
), closed AS (
    DELETE FROM breakers b USING gone WHERE b.project_id = $1 AND b.webhook_id = gone.id
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, request_id)
    SELECT $1, $3, 'webhook.delete', $4, $5 FROM gone
)
SELECT id FROM gone;
