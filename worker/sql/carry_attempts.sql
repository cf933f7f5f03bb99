-- name: carry_attempts
-- params: $1 drawer int4
-- returns: attempts moved int8
-- locks: the rows it moves
-- called by: maintainer, before a drawer is dropped: a finished delivery is its attempts, so those that the project may
--            still see (its plan grew, or they are a re-drive's of an older entry) go where its plan puts them now
WITH k AS (
    SELECT o.project_id, o.delivery_id, o.n, dlo_drawer(o.delivery_created_at, p.retention_s) AS new_drawer
      FROM (SELECT x.id, x.retention_s, dlo_now() - make_interval(secs => x.retention_s) AS since FROM projects x OFFSET 0) p
      JOIN attempts o ON o.project_id = p.id
     WHERE o.drawer = $1::int4 AND o.delivery_created_at > p.since
       AND dlo_drawer(o.delivery_created_at, p.retention_s) <> $1::int4
     LIMIT 1000),
a AS (
    UPDATE attempts t SET drawer = k.new_drawer FROM k
     WHERE t.project_id = k.project_id AND t.delivery_id = k.delivery_id AND t.n = k.n AND t.drawer = $1::int4
    RETURNING 1)
SELECT count(*) FROM a
