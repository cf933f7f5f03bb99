-- name: carry_entries
-- params: $1 drawer int4
-- returns: entries moved int8
-- locks: the rows it moves
-- called by: maintainer, before a drawer is dropped: entries that their project may still see (its plan grew), and those
--            whose re-drive is under way, go to a later drawer; hot rows and the pending re-drive learn where. A drawer that
--            today's rows go to (the clock was set back) keeps them, and is not dropped
WITH k AS (
    SELECT o.project_id, o.id, later.drawer AS new_drawer
      FROM (SELECT x.id, x.retention_s, dlo_now() - make_interval(secs => x.retention_s) AS since FROM projects x OFFSET 0) p
      JOIN dead_letters o ON o.project_id = p.id
      CROSS JOIN LATERAL (
           SELECT CASE WHEN o.created_at > p.since AND dlo_drawer(o.created_at, p.retention_s) <> $1::int4
                       THEN dlo_drawer(o.created_at, p.retention_s)
                       ELSE dlo_drawer(dlo_now(), p.retention_s) END) later(drawer)
     WHERE o.drawer = $1::int4 AND later.drawer <> $1::int4
       AND (o.created_at > p.since OR o.state = 2)
     LIMIT 1000),
d AS (
    UPDATE dead_letters x SET drawer = k.new_drawer FROM k
     WHERE x.project_id = k.project_id AND x.id = k.id AND x.drawer = $1::int4),
b AS (
    UPDATE dead_letter_bodies x SET drawer = k.new_drawer FROM k
     WHERE x.project_id = k.project_id AND x.id = k.id AND x.drawer = $1::int4),
x AS (
    UPDATE redrives y SET entry_drawer = k.new_drawer FROM k WHERE y.entry_id = k.id
    RETURNING y.project_id, y.delivery_id, k.new_drawer),
a AS ( -- the attempts of a pending re-drive lie with their source, which of an edited one is its event
    UPDATE attempts t SET drawer = x.new_drawer FROM x
     WHERE t.project_id = x.project_id AND t.delivery_id = x.delivery_id AND t.drawer = $1::int4
       AND t.entry_id IS NOT NULL),
r AS (
    UPDATE ready h SET source_drawer = k.new_drawer FROM k
     WHERE h.project_id = k.project_id AND h.entry_id = k.id AND h.source_drawer = $1::int4),
l AS (
    UPDATE later h SET source_drawer = k.new_drawer FROM k
     WHERE h.project_id = k.project_id AND h.entry_id = k.id AND h.source_drawer = $1::int4)
SELECT count(*) FROM k
