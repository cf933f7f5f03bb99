-- name: key_create
-- params: $1 int project, $2 uuid id, $3 bytea SHA-256 of the key, $4 text hint, $5 text name, $6 text[] scopes
-- locks: the new row
-- called by: keys.c
-- No row: the project has 1,000 keys already.
INSERT INTO api_keys (id, project_id, hash, hint, name, scopes)
SELECT $2::uuid, $1::integer, $3::bytea, $4::text, $5::text, $6::text[]
 WHERE (SELECT count(*) FROM api_keys WHERE project_id = $1::integer AND revoked_at IS NULL) < 1000
RETURNING dlo_iso(created_at)
