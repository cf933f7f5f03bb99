-- name: payload
-- params: $1 shard int2, $2 webhook int4, $3 class int2, $4 position int8
-- returns: the bytes of one waiting row, wherever its source lies by now: of one that was shaped, what its first attempt
--          sent (binary form)
-- locks: none
-- called by: sender, for payloads that are too large to be read ahead
SELECT coalesce(CASE WHEN r.shaped THEN (SELECT a.dispatched FROM attempts a
                    WHERE a.project_id = r.project_id AND a.delivery_id = r.delivery_id AND a.n = 1
                      AND a.drawer = r.source_drawer) END,
                CASE WHEN r.shaped THEN s.dispatched END, s.payload)
  FROM (SELECT * FROM ready WHERE shard = $1::int2 AND webhook_id = $2::int4 AND class = $3::int2 AND pos >= $4::int8
         ORDER BY pos LIMIT 1) r
 CROSS JOIN LATERAL (
    SELECT e.payload, NULL::bytea AS dispatched FROM events e
     WHERE r.entry_id IS NULL AND e.project_id = r.project_id AND e.id = r.event_id AND e.drawer = r.source_drawer
    UNION ALL
    SELECT b.payload, b.dispatched FROM dead_letter_bodies b
     WHERE r.entry_id IS NOT NULL AND b.project_id = r.project_id AND b.id = r.entry_id
       AND b.drawer = r.source_drawer) s
 WHERE r.pos = $4::int8
