-- name: key_lookup
-- params: $1 bytea SHA-256 of the key
-- locks: none
-- called by: principal.c, for each key not seen for 5 s
SELECT k.id, k.project_id, p.public_id, p.retention_s, p.max_payload_bytes, array_to_string(k.scopes, ' ')
  FROM api_keys k
  LEFT JOIN projects p ON p.id = k.project_id
 WHERE k.hash = $1::bytea AND k.revoked_at IS NULL AND p.deleted_at IS NULL
