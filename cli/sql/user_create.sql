-- name: user_create
-- params: $1 uuid id, $2 text login, $3 text password hash, $4 int project, or NULL, $5 text[] scopes, $6 text id as shown
-- locks: the new rows
-- called by: user.c
WITH made AS (
    INSERT INTO users (id, login, password_hash) VALUES ($1::uuid, $2::text, $3::text) RETURNING id),
 member AS (
    INSERT INTO memberships (user_id, project_id, scopes)
    SELECT id, $4::integer, $5::text[] FROM made WHERE $4::integer IS NOT NULL)
INSERT INTO audit_log (project_id, actor, action, object, detail)
SELECT $4::integer, 'cli', 'user.create', $6::text, jsonb_build_object('login', $2::text) FROM made
