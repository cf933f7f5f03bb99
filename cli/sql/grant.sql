-- name: grant
-- params: $1 text role of dlo.fcgi (NULL: ours), $2 text role of dlo-worker (NULL: ours)
-- locks: the tables' catalog rows
-- called by: migrate.c
SELECT dlo_grant(coalesce($1::text, current_user), coalesce($2::text, current_user))
