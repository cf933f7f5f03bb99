-- name: session_get
-- params: $1 bytea hash of the token
-- locks: none
-- called by: session.c
SELECT u.id, u.login, s.csrf_token, dlo_iso(s.expires_at)
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.token_hash = $1::bytea
