-- name: key_revoke
-- params: $1 uuid id, $2 text id as shown
-- locks: the key's row
-- called by: key.c
WITH gone AS (
    UPDATE api_keys SET revoked_at = dlo_now() WHERE id = $1::uuid AND revoked_at IS NULL RETURNING project_id, name)
INSERT INTO audit_log (project_id, actor, action, object, detail)
SELECT project_id, 'cli', 'key.revoke', $2::text, jsonb_build_object('name', name) FROM gone
RETURNING id
