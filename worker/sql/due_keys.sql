-- name: due_keys
-- params: none
-- returns: suffix text of the days of dedup keys that no window reaches any more
-- locks: none
-- called by: maintainer, every minute
SELECT to_char(date '1970-01-01' + k.day, '"d"YYYYMMDD') FROM (
    SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((\d+)'))[1]::integer AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event_keys'::regclass) k
 WHERE k.day < dlo_day(dlo_now()) - 8
