-- name: user_set_password
-- params: $1 uuid user, $2 text hash, $3 bytea hash of the session to keep (NULL: none), $4 text actor, $5 text request id
-- locks: the user's row and sessions
-- called by: session.c, users.c
-- Whoever knew the old password is signed out everywhere.
WITH changed AS (
    UPDATE users SET password_hash = $2::text WHERE id = $1::uuid AND disabled_at IS NULL RETURNING id, login),
 out AS (
    DELETE FROM sessions USING changed
     WHERE sessions.user_id = changed.id AND ($3::bytea IS NULL OR token_hash <> $3::bytea)),
 forgiven AS (DELETE FROM sign_in_failures USING changed WHERE sign_in_failures.login = changed.login),
 audit AS (
    INSERT INTO audit_log (actor, action, object, detail, request_id)
    SELECT $4::text, 'user.password', $4::text, jsonb_build_object('login', login), $5::text FROM changed)
SELECT login FROM changed
