-- name: webhook_gone
-- params: $1 webhook int4, $2 owner text
-- locks: the webhook's row
-- called by: sender, when a receiver answered 410: no more is sent until somebody enables it again
WITH w AS (
    UPDATE webhooks SET enabled = false, disabled_reason = 'gone: the receiver answered 410'
     WHERE id = $1::int4 AND enabled RETURNING project_id, public_id)
INSERT INTO audit_log (project_id, actor, action, object, detail)
SELECT project_id, 'worker', 'webhook.disable', public_id::text, jsonb_build_object('reason', 'gone', 'owner', $2::text)
  FROM w
