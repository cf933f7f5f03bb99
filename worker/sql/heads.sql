-- name: heads
-- params: $1 shards int2[], $2 webhooks int4[], $3 classes int2[], $4 after which position int8[], $5 how many int4[],
--         $6 to $13 the drawers to look into int4: without them every execution opens 276 partitions (measured: a
--         quarter of the machine at 1,300 events/s)
-- returns: the oldest waiting rows of each lane beyond its position, with their bytes when they are few: of one that was
--          shaped, what its first attempt sent; a NULL type: its drawer is not among those asked for, or (never, if
--          carrying is right) its source is gone. Last, where a re-drive goes instead of the webhook's URL
-- locks: none
-- called by: sender, for lanes that have run low (results in binary form)
SELECT r.shard, r.pos, r.webhook_id, r.project_id, r.payload_bytes, r.source_drawer, r.tries, r.class, r.generation,
       r.delivery_id, r.event_id,
       -- of an edited one the source is its event, and the entry stands only here
       coalesce(r.entry_id, CASE WHEN r.class = 2 THEN (
           SELECT x.entry_id FROM redrives x WHERE x.delivery_id = r.delivery_id) END),
       r.shaped, s.type, s.channel,
       CASE WHEN r.payload_bytes <= 4096 THEN coalesce(
           CASE WHEN r.shaped THEN (SELECT a.dispatched FROM attempts a
             WHERE a.project_id = r.project_id AND a.delivery_id = r.delivery_id AND a.n = 1 AND a.drawer = r.source_drawer
               AND a.drawer IN ($6::int4, $7::int4, $8::int4, $9::int4, $10::int4, $11::int4, $12::int4, $13::int4)) END,
           CASE WHEN r.shaped THEN s.dispatched END, s.payload) END,
       CASE WHEN r.class = 2 THEN (SELECT u.url FROM redrive_targets t JOIN webhook_urls u ON u.id = t.url_id
                                    WHERE t.delivery_id = r.delivery_id) END
  FROM unnest($1::int2[], $2::int4[], $3::int2[], $4::int8[], $5::int4[]) w(shard, webhook_id, class, after, k)
 CROSS JOIN LATERAL (SELECT * FROM ready q
                      WHERE q.shard = w.shard AND q.webhook_id = w.webhook_id AND q.class = w.class AND q.pos > w.after
                      ORDER BY q.pos LIMIT w.k) r
  LEFT JOIN LATERAL (
    SELECT e.type, e.channel, e.payload, NULL::bytea AS dispatched FROM events e
     WHERE r.entry_id IS NULL AND e.project_id = r.project_id AND e.id = r.event_id AND e.drawer = r.source_drawer
       AND e.drawer IN ($6::int4, $7::int4, $8::int4, $9::int4, $10::int4, $11::int4, $12::int4, $13::int4)
    UNION ALL
    SELECT d.event_type, d.channel, b.payload, b.dispatched FROM dead_letters d JOIN dead_letter_bodies b
        ON b.project_id = d.project_id AND b.id = d.id AND b.drawer = d.drawer
     WHERE r.entry_id IS NOT NULL AND d.project_id = r.project_id AND d.id = r.entry_id AND d.drawer = r.source_drawer
       AND d.drawer IN ($6::int4, $7::int4, $8::int4, $9::int4, $10::int4, $11::int4, $12::int4, $13::int4)
       AND b.drawer IN ($6::int4, $7::int4, $8::int4, $9::int4, $10::int4, $11::int4, $12::int4, $13::int4)) s ON true
