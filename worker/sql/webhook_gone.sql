-- name: webhook_gone
-- params: $1 webhook int4, $2 owner text
-- locks: the webhook's row
-- called by: sender, when a receiver answered 410: no more is sent until somebody enables it again
WITH w AS (
    UPDATE webhooks SET enabled = false, disabled_reason = 'gone: the receiver answered 410'
     WHERE id = $1::int4 AND enabled AND deleted_at IS NULL RETURNING id, project_id, public_id, disabled_reason),
news AS (
    INSERT INTO notices (project_id, type, webhook_id, detail)
    SELECT p.id, 'webhook.disabled', w.id, jsonb_build_object('reason', w.disabled_reason)
      FROM w JOIN projects p ON p.id = w.project_id AND p.listens)
INSERT INTO audit_log (project_id, actor, action, object, detail)
SELECT project_id, 'worker', 'webhook.disable', dlo_id('whk', public_id),
       jsonb_build_object('reason', 'gone', 'owner', $2::text)
  FROM w
