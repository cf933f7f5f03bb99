-- name: takeover
-- params: $1 shards int2[]
-- returns: snapshot text, webhook int4, class int2, lowest position int8, how many (unknown: 2) int8; one row with NULL webhook if the
--          shards are empty
-- locks: none
-- called by: sender, when it has leased shards: every lane with rows there, by a loose index scan. Not for polling:
--            under a pinned horizon it walks the dead entries of finished destinations.
SELECT pg_current_snapshot()::text, x.webhook_id, x.class, x.pos, 2::int8
  FROM (VALUES (1)) one LEFT JOIN LATERAL (
    SELECT h.webhook_id, h.class, h.pos FROM unnest($1::int2[]) s(shard) CROSS JOIN LATERAL (
        WITH RECURSIVE heads AS (
            (SELECT r.webhook_id, r.class, r.pos FROM ready r WHERE r.shard = s.shard
              ORDER BY r.webhook_id, r.class, r.pos LIMIT 1)
            UNION ALL
            SELECT n.webhook_id, n.class, n.pos FROM heads p CROSS JOIN LATERAL (
                SELECT r.webhook_id, r.class, r.pos FROM ready r
                 WHERE r.shard = s.shard AND (r.webhook_id, r.class) > (p.webhook_id, p.class)
                 ORDER BY r.webhook_id, r.class, r.pos LIMIT 1) n)
        SELECT webhook_id, class, pos FROM heads) h) x ON true
