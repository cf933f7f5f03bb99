-- name: sign_in_begin
-- params: $1 text login
-- locks: none
-- called by: session.c, before a password is looked at
-- One row: refused, seconds to wait, user id, password hash (both NULL for an unknown login). A sign-in counts as failed
-- until it has succeeded, so that many at once do not get more tries than one after the other.
WITH recent AS (
    SELECT at FROM sign_in_failures
     WHERE login = $1::text AND at > dlo_now() - interval '15 minutes'
     ORDER BY at DESC LIMIT 5),
 f AS (SELECT count(*) >= 5 AS refused, min(at) AS oldest FROM recent),
 mark AS (INSERT INTO sign_in_failures (login) SELECT $1::text FROM f WHERE NOT refused)
SELECT f.refused, ceil(extract(epoch FROM f.oldest + interval '15 minutes' - dlo_now()))::integer, u.id, u.password_hash
  FROM f LEFT JOIN users u ON u.login = $1::text AND u.disabled_at IS NULL
