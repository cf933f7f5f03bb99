-- name: key_list
-- params: $1 uuid project, or NULL for all
-- locks: none
-- called by: key.c
SELECT k.id, coalesce(p.public_id::text, ''), k.name, k.hint, array_to_string(k.scopes, ' '), dlo_iso(k.created_at)
  FROM api_keys k LEFT JOIN projects p ON p.id = k.project_id
 WHERE k.revoked_at IS NULL AND ($1::uuid IS NULL OR p.public_id = $1::uuid)
 ORDER BY k.created_at
