-- name: project_redaction
-- params: $1 uuid id
-- returns: the rules as JSON (NULL: none), the project's version, its narrow id
-- locks: none
-- called by: redaction.c
SELECT redaction::text, version, id FROM projects WHERE public_id = $1::uuid AND deleted_at IS NULL
