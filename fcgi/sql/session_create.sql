-- name: session_create
-- params: $1 uuid user, $2 bytea hash of the token, $3 text CSRF token, $4 text login, $5 text actor, $6 text request id
-- locks: new rows; the user's oldest sessions
-- called by: session.c
-- A user has at most 50 sessions; expired ones go first.
WITH made AS (
    INSERT INTO sessions (token_hash, user_id, csrf_token, expires_at)
    VALUES ($2::bytea, $1::uuid, $3::text, dlo_now() + interval '12 hours') RETURNING expires_at),
 old AS (
    DELETE FROM sessions WHERE token_hash IN (
        SELECT token_hash FROM sessions WHERE user_id = $1::uuid ORDER BY expires_at DESC OFFSET 49)
       OR (user_id = $1::uuid AND expires_at <= dlo_now())),
 forgiven AS (DELETE FROM sign_in_failures WHERE login = $4::text),
 audit AS (
    INSERT INTO audit_log (actor, action, object, request_id)
    VALUES ($5::text, 'session.create', $5::text, $6::text))
SELECT dlo_iso(expires_at) FROM made
