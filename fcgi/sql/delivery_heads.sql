-- name: delivery_heads
--
-- What became of dead-lettered deliveries in the end: from each entry along its re-drives to the last one. An entry
-- that is refailed has a successor, the one that its re-drive became; any other state is the head's. Takes no locks.
-- Called by GET /v1/deliveries and /v1/deliveries/{id}.
--
-- $1 project  $2 entries
-- => entry, state of the head
WITH RECURSIVE chain AS (
    SELECT r.entry AS root, d.state, d.replayed_as, 0 AS depth
      FROM unnest($2::uuid[]) AS r(entry)
     CROSS JOIN LATERAL (
            SELECT v.state, v.replayed_as FROM dead_letters v
             WHERE v.project_id = $1 AND v.id = r.entry
             LIMIT 1) d
    UNION ALL
    SELECT c.root, d.state, d.replayed_as, c.depth + 1
      FROM chain c
     CROSS JOIN LATERAL (
            SELECT v.state, v.replayed_as FROM dead_letters v
             WHERE v.project_id = $1 AND v.delivery_id = c.replayed_as
             LIMIT 1) d
     WHERE c.state = 4 AND c.depth < 1000
)
SELECT DISTINCT ON (c.root) c.root, c.state
  FROM chain c
 ORDER BY c.root, c.depth DESC;
