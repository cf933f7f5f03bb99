-- name: member_add
-- params: $1 int project, $2 uuid user, or NULL, $3 text login, or NULL, $4 text[] scopes
-- locks: the membership
-- called by: projects.c
-- Of somebody who is a member already, the scopes change. No row: no such user.
WITH who AS (
    SELECT id, login FROM users WHERE (id = $2::uuid OR login = $3::text) AND disabled_at IS NULL),
 put AS (
    INSERT INTO memberships (user_id, project_id, scopes) SELECT id, $1::integer, $4::text[] FROM who
    ON CONFLICT (user_id, project_id) DO UPDATE SET scopes = excluded.scopes)
SELECT id, login FROM who
