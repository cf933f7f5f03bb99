-- name: audit_insert
-- params: $1 int project, or NULL, $2 text actor, $3 text action, $4 text object, $5 jsonb detail, $6 text request id
-- locks: the new row
-- called by: audit.c
INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
VALUES ($1::integer, $2::text, $3::text, $4::text, $5::jsonb, $6::text)
