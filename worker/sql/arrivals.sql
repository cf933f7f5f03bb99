-- name: arrivals
-- params: $1 shards int2[], $2 xmax of the previous poll xid8, $3 xip of the previous poll xid8[]
-- returns: snapshot text (the next poll's state), webhook int4, class int2, lowest new position int8 (NULL: settings changed), how many int8;
--          one row with NULL webhook if nothing is new
-- locks: none
-- called by: sender, on a wake-up and every second. What was invisible to the last poll is its xip list and everything
--            from its xmax on: nothing is lost and nothing is seen twice, whatever the commit order. OFFSET 0 keeps the
--            look-ups per shard: a plan made on an empty table must not turn the join round. ORDER BY, and no
--            bitmap scans in the session, keep them on the primary key: planned again after an ANALYZE of a queue that
--            one transaction filled, or of which one shard has most, each poll walked whole shards for each transaction
--            in xip (measured: 30 to 400 ms with 200,000 rows waiting).
SELECT pg_current_snapshot()::text, x.webhook_id, x.class, x.pos, x.n
  FROM (VALUES (1)) one LEFT JOIN LATERAL (
    SELECT y.webhook_id, y.class, min(y.pos) AS pos, count(*) AS n FROM (
        SELECT q.webhook_id, q.class, q.pos FROM unnest($1::int2[]) s(shard)
         CROSS JOIN LATERAL (SELECT r.webhook_id, r.class, r.pos FROM ready r
                              WHERE r.shard = s.shard AND r.ins_xid >= $2::xid8
                              ORDER BY r.ins_xid, r.pos OFFSET 0) q
        UNION ALL
        SELECT q.webhook_id, q.class, q.pos FROM unnest($1::int2[]) s(shard) CROSS JOIN unnest($3::xid8[]) p(xid)
         CROSS JOIN LATERAL (SELECT r.webhook_id, r.class, r.pos FROM ready r
                              WHERE r.shard = s.shard AND r.ins_xid = p.xid
                              ORDER BY r.pos OFFSET 0) q) y
     GROUP BY y.webhook_id, y.class
    UNION ALL
    SELECT w.id, NULL, NULL, 0 FROM unnest($1::int2[]) s(shard)
     CROSS JOIN LATERAL (SELECT v.id FROM webhooks v WHERE v.shard = s.shard AND v.changed_xid >= $2::xid8 OFFSET 0) w
    UNION ALL
    SELECT w.id, NULL, NULL, 0 FROM unnest($1::int2[]) s(shard) CROSS JOIN unnest($3::xid8[]) p(xid)
     CROSS JOIN LATERAL (SELECT v.id FROM webhooks v WHERE v.shard = s.shard AND v.changed_xid = p.xid OFFSET 0) w) x ON true
