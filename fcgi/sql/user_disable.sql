-- name: user_disable
-- params: $1 uuid id
-- locks: the user's row and sessions
-- called by: users.c
WITH gone AS (UPDATE users SET disabled_at = dlo_now() WHERE id = $1::uuid AND disabled_at IS NULL RETURNING id, login),
 out AS (DELETE FROM sessions USING gone WHERE sessions.user_id = gone.id)
SELECT login FROM gone
