-- name: payload
-- params: $1 shard int2, $2 webhook int4, $3 position int8
-- returns: the payload of one waiting row, wherever its source lies by now (binary form)
-- locks: none
-- called by: sender, for payloads that are too large to be read ahead
SELECT s.payload
  FROM (SELECT * FROM ready WHERE shard = $1::int2 AND webhook_id = $2::int4 AND pos >= $3::int8
         ORDER BY pos LIMIT 1) r
 CROSS JOIN LATERAL (
    SELECT e.payload FROM events e
     WHERE r.entry_id IS NULL AND e.project_id = r.project_id AND e.id = r.event_id AND e.drawer = r.source_drawer
    UNION ALL
    SELECT b.payload FROM dead_letter_bodies b
     WHERE r.entry_id IS NOT NULL AND b.project_id = r.project_id AND b.id = r.entry_id
       AND b.drawer = r.source_drawer) s
 WHERE r.pos = $3::int8
