-- name: carry_events
-- params: $1 drawer int4
-- returns: events moved int8
-- locks: the rows it moves
-- called by: maintainer, before a drawer is dropped: events whose project's plan grew go where the plan puts them now
WITH e AS (
    DELETE FROM events v USING (
        SELECT o.project_id, o.id, p.retention_s
          FROM (SELECT x.id, x.retention_s, dlo_now() - make_interval(secs => x.retention_s) AS since FROM projects x OFFSET 0) p
          JOIN events o ON o.project_id = p.id
         WHERE o.drawer = $1::int4 AND o.created_at > p.since
           AND dlo_drawer(o.created_at, p.retention_s) <> $1::int4
         LIMIT 1000) k
     WHERE v.project_id = k.project_id AND v.id = k.id AND v.drawer = $1::int4
    RETURNING dlo_drawer(v.created_at, k.retention_s) AS new_drawer, v.*),
e2 AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata,
                        occurred_at, created_at, fanout, payload)
    SELECT new_drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata, occurred_at,
           created_at, fanout, payload FROM e
    RETURNING 1)
SELECT count(*) FROM e2
