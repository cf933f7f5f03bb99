-- name: session_delete
-- params: $1 uuid user, $2 bytea hash of the token, or NULL for all, $3 text actor, $4 text request id
-- locks: the sessions
-- called by: session.c
WITH gone AS (
    DELETE FROM sessions WHERE user_id = $1::uuid AND ($2::bytea IS NULL OR token_hash = $2::bytea) RETURNING 1),
 audit AS (
    INSERT INTO audit_log (actor, action, object, detail, request_id)
    SELECT $3::text, 'session.delete', $3::text, jsonb_build_object('sessions', count(*)), $4::text
      FROM gone HAVING count(*) > 0)
SELECT count(*) FROM gone
