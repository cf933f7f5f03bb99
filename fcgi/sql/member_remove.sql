-- name: member_remove
-- params: $1 int project, $2 uuid user
-- locks: the membership
-- called by: projects.c
DELETE FROM memberships WHERE project_id = $1::integer AND user_id = $2::uuid RETURNING user_id
