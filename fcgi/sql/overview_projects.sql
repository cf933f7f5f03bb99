-- name: overview_projects
--
-- The projects a user may look into: those of their memberships with dlq:read. Takes no locks. Called by
-- GET /v1/overview with Dlo-Project: *.
--
-- $1 user
-- => id, public id, name
SELECT p.id, p.public_id, p.name
  FROM memberships m
  JOIN projects p ON p.id = m.project_id
 WHERE m.user_id = $1 AND p.deleted_at IS NULL AND m.scopes && ARRAY['dlq:read', 'admin']
 ORDER BY p.name, p.id
 LIMIT 200;
