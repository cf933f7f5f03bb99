-- name: project_plan
-- params: $1 int project
-- locks: none
-- called by: whoami.c, edit.c
SELECT p.plan, p.retention_s, p.dedup_window_s, p.max_payload_bytes, n.bulk_redrive, n.max_webhooks, n.max_bulk_items,
       p.name, p.edit_redrive
  FROM projects p JOIN plans n ON n.name = p.plan
 WHERE p.id = $1::integer
