-- name: member_list
-- params: $1 int project
-- locks: none
-- called by: projects.c
SELECT u.id, u.login, array_to_string(m.scopes, ' ')
  FROM memberships m JOIN users u ON u.id = m.user_id
 WHERE m.project_id = $1::integer AND u.disabled_at IS NULL
 ORDER BY u.login
 LIMIT 1000
