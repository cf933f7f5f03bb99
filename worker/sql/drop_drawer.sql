-- name: drop_drawer
-- params: $1 drawer int4, $2 suffix text
-- returns: dropped bool; false: something in it is still needed
-- locks: ACCESS EXCLUSIVE on the drawer's tables, with a lock_timeout of 200 ms
-- called by: maintainer, after everything needed was carried
SELECT dlo_drop_drawer($1::int4, $2::text)
