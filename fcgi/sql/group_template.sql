-- name: group_template
--
-- What the fingerprint of an entry was made of. Takes no locks. Called by GET /v1/dlq/groups/{fp}.
--
-- $1 project  $2 entry  $3 its drawer
-- => template
SELECT b.template FROM dead_letter_bodies b WHERE b.project_id = $1 AND b.id = $2 AND b.drawer = $3;
