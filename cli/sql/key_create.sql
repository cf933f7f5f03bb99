-- name: key_create
-- params: $1 int project, or NULL for an operator key, $2 uuid id, $3 bytea SHA-256 of the key, $4 text hint, $5 text name,
--         $6 text[] scopes, $7 text id as shown
-- locks: the new rows
-- called by: key.c
WITH made AS (
    INSERT INTO api_keys (id, project_id, hash, hint, name, scopes)
    VALUES ($2::uuid, $1::integer, $3::bytea, $4::text, $5::text, $6::text[]))
INSERT INTO audit_log (project_id, actor, action, object, detail)
VALUES ($1::integer, 'cli', 'key.create', $7::text, jsonb_build_object('name', $5::text, 'scopes', $6::text[]))
