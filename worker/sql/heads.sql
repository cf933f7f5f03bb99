-- name: heads
-- params: $1 shards int2[], $2 webhooks int4[], $3 after which position int8[], $4 how many int4[]
-- returns: the oldest waiting rows of each destination beyond its position, with their payload when it is small;
--          a NULL type means that the source is missing, which carrying must never let happen
-- locks: none
-- called by: sender, for destinations whose list has run low (results in binary form)
SELECT r.shard, r.pos, r.webhook_id, r.project_id, r.payload_bytes, r.source_drawer, r.tries, r.class, r.generation,
       r.delivery_id, r.event_id, r.entry_id, s.type, s.channel,
       CASE WHEN r.payload_bytes <= 4096 THEN s.payload END
  FROM unnest($1::int2[], $2::int4[], $3::int8[], $4::int4[]) w(shard, webhook_id, after, k)
 CROSS JOIN LATERAL (SELECT * FROM ready q
                      WHERE q.shard = w.shard AND q.webhook_id = w.webhook_id AND q.pos > w.after
                      ORDER BY q.pos LIMIT w.k) r
  LEFT JOIN LATERAL (
    SELECT e.type, e.channel, e.payload FROM events e
     WHERE r.entry_id IS NULL AND e.project_id = r.project_id AND e.id = r.event_id AND e.drawer = r.source_drawer
    UNION ALL
    SELECT d.event_type, d.channel, b.payload FROM dead_letters d JOIN dead_letter_bodies b
        ON b.project_id = d.project_id AND b.id = d.id AND b.drawer = d.drawer
     WHERE r.entry_id IS NOT NULL AND d.project_id = r.project_id AND d.id = r.entry_id
       AND d.drawer = r.source_drawer) s ON true
