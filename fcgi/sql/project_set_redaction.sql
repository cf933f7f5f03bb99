-- name: project_set_redaction
-- params: $1 uuid id, $2 jsonb rules, or NULL for none, $3 int version that is expected (-1: any)
-- returns: as project_redaction; no row: the version has moved on
-- locks: the project's row, and (projects_redaction, if the rules differ) its webhooks: their senders read them anew
-- called by: redaction.c
UPDATE projects SET redaction = $2::jsonb, version = version + 1
 WHERE public_id = $1::uuid AND deleted_at IS NULL AND $3::integer IN (-1, version)
RETURNING redaction::text, version, id
