-- name: key_revoke
-- params: $1 int project, $2 uuid id
-- locks: the key's row
-- called by: keys.c
UPDATE api_keys SET revoked_at = dlo_now()
 WHERE project_id = $1::integer AND id = $2::uuid AND revoked_at IS NULL
RETURNING name
