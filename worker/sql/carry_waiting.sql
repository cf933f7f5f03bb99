-- name: carry_waiting
-- params: $1 drawer int4
-- returns: hot rows whose source was moved int8
-- locks: the events, attempts and hot rows it moves
-- called by: maintainer, before a drawer is dropped: the events of deliveries that still wait (paused, retried) go to
--            the drawer that the plan would give them today, with the attempts made so far. Repeated until it is 0. What
--            today would go to this same drawer (the clock was set back) stays, and the drawer is not dropped.
WITH wanted AS (
    SELECT DISTINCT project_id, event_id FROM (
        SELECT project_id, event_id FROM ready WHERE source_drawer = $1::int4 AND entry_id IS NULL
        UNION ALL SELECT project_id, event_id FROM later WHERE source_drawer = $1::int4 AND entry_id IS NULL) h
     LIMIT 1000),
target AS (
    -- an event that was carried before, for another of its deliveries, is followed to where it lies
    SELECT * FROM (
        SELECT w.project_id, w.event_id,
               coalesce((SELECT v.drawer FROM events v
                          WHERE v.project_id = w.project_id AND v.id = w.event_id AND v.drawer <> $1::int4 LIMIT 1),
                        dlo_drawer(dlo_now(), p.retention_s)) AS drawer
          FROM wanted w JOIN projects p ON p.id = w.project_id) t
     WHERE drawer <> $1::int4),
hot AS (
    UPDATE ready r SET source_drawer = t.drawer FROM target t
     WHERE r.project_id = t.project_id AND r.event_id = t.event_id AND r.source_drawer = $1::int4 AND r.entry_id IS NULL
    RETURNING r.project_id, r.delivery_id, t.drawer),
cold AS (
    UPDATE later r SET source_drawer = t.drawer FROM target t
     WHERE r.project_id = t.project_id AND r.event_id = t.event_id AND r.source_drawer = $1::int4 AND r.entry_id IS NULL
    RETURNING r.project_id, r.delivery_id, t.drawer),
e AS (
    DELETE FROM events v USING target t
     WHERE v.project_id = t.project_id AND v.id = t.event_id AND v.drawer = $1::int4
    RETURNING t.drawer AS new_drawer, v.*),
e2 AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata,
                        occurred_at, created_at, fanout, payload)
    SELECT new_drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata, occurred_at,
           created_at, fanout, payload FROM e
    RETURNING 1),
a AS (
    UPDATE attempts x SET drawer = h.drawer
      FROM (SELECT * FROM hot UNION ALL SELECT * FROM cold) h
     WHERE x.project_id = h.project_id AND x.delivery_id = h.delivery_id AND x.drawer = $1::int4)
SELECT (SELECT count(*) FROM hot) + (SELECT count(*) FROM cold)
