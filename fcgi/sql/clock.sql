-- name: clock
-- params: none
-- locks: none
-- called by: list.c, to resolve a relative time
SELECT (extract(epoch FROM dlo_now()) * 1000000)::bigint
