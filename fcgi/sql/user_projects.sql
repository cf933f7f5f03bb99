-- name: user_projects
-- params: $1 uuid user
-- locks: none
-- called by: session.c, users.c, overview.c
SELECT p.public_id, p.name, p.plan, array_to_string(m.scopes, ' '), p.id, p.retention_s
  FROM memberships m JOIN projects p ON p.id = m.project_id
 WHERE m.user_id = $1::uuid AND p.deleted_at IS NULL
 ORDER BY p.name, p.id
