-- name: webhook_pause
--
-- Pauses or resumes. Asked for what already is, it changes nothing, audits nothing and answers the row. Resuming a
-- webhook whose circuit is open has it probed at once, as retry-now does.
-- Locks: the row. Called by POST /v1/webhooks/{id}/pause and /resume.
--
-- $1 project  $2 public id  $3 true: pause  $4 actor  $5 action, for the audit  $6 id as shown  $7 request id
-- => the row as JSON; no row: no such webhook
WITH hook AS (
    SELECT * FROM webhooks
     WHERE project_id = $1 AND public_id = $2 AND deleted_at IS NULL
       FOR UPDATE
), changed AS (
    UPDATE webhooks w
       SET paused_at = CASE WHEN $3 THEN dlo_now() END,
           retry_now_at = CASE WHEN NOT $3 AND EXISTS (SELECT FROM breakers b
                                                        WHERE b.project_id = $1 AND b.webhook_id = hook.id)
                               THEN dlo_now() ELSE w.retry_now_at END
      FROM hook
     WHERE w.project_id = $1 AND w.id = hook.id AND (hook.paused_at IS NULL) = $3
    RETURNING w.*
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, request_id)
    SELECT $1, $4, $5, $6, $7 FROM changed
)
SELECT to_jsonb(changed) FROM changed
UNION ALL
SELECT to_jsonb(hook) FROM hook WHERE NOT EXISTS (SELECT FROM changed);
