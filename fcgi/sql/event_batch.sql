-- name: event_batch
-- params: $1 project int4, then an array per column of an event: $2 id uuid, $3 type text, $4 channel text, $5 customer
--         text, $6 external id text, $7 routing key text, $8 metadata text, $9 occurred at text, $10 payload bytea,
--         $11 dedup key bytea, $12 payload hash bytea, $13 first 14 bytes of its delivery ids bytea; and as pairs
--         $14 type text[], $15 pattern that matches it text[]
-- returns: a row an event in order: stored bool, deliveries int8, first event with its key uuid, payload differs bool
-- locks: inserts only; keys in order, so that two batches cannot deadlock
-- called by: events_batch, planned for each call (a generic plan would join CTEs of 1,000 rows by nested loops)
WITH p AS MATERIALIZED (
    SELECT id, retention_s, dedup_window_s, dlo_now() AS now FROM projects WHERE id = $1::int4),
i AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[]) WITH ORDINALITY
        t(id, type, channel, customer_id, external_id, routing_key, metadata, occurred_at, payload, key_hash, body_hash,
          base, n)),
first AS MATERIALIZED (
    SELECT DISTINCT ON (i.n) i.n, k.event_id, k.body_hash <> i.body_hash AS differs
      FROM p, i JOIN event_keys k ON k.project_id = $1::int4 AND k.key_hash = i.key_hash
       AND k.day BETWEEN dlo_day(dlo_now()) - 8 AND dlo_day(dlo_now()) + 1
     WHERE k.created_at > p.now - make_interval(secs => p.dedup_window_s)
     ORDER BY i.n, k.created_at),
days AS MATERIALIZED (
    SELECT DISTINCT d.day FROM p CROSS JOIN LATERAL (VALUES (dlo_day(p.now)), (dlo_day(p.now - interval '5 minutes')),
                                                            (dlo_day(p.now + interval '5 minutes'))) d(day)),
-- which day takes which key: a day that still holds it from beyond the window cannot take it again, and need not
wanted AS MATERIALIZED (
    SELECT i.n, i.id, i.key_hash, i.body_hash, days.day FROM i, days
     WHERE i.key_hash IS NOT NULL AND NOT EXISTS (SELECT FROM first f WHERE f.n = i.n)
       AND NOT EXISTS (SELECT FROM event_keys x
                        WHERE x.project_id = $1::int4 AND x.key_hash = i.key_hash AND x.day = days.day)),
k AS (
    INSERT INTO event_keys (day, project_id, key_hash, event_id, body_hash, created_at)
    SELECT w.day, p.id, w.key_hash, w.id, w.body_hash, p.now FROM p, wanted w ORDER BY w.key_hash, w.day, w.n
    ON CONFLICT DO NOTHING
    RETURNING event_id),
kept AS MATERIALIZED (SELECT event_id, count(*) AS n FROM k GROUP BY 1),
m AS MATERIALIZED (
    SELECT c.type, c.channel, c.customer_id, w.id, w.shard
      FROM (SELECT DISTINCT type, channel, customer_id FROM i) c
      JOIN webhooks w ON w.project_id = $1::int4 AND w.deleted_at IS NULL
       AND (w.event_types = '{}' OR c.type ~ w.event_regex
            OR EXISTS (SELECT FROM unnest($14::text[], $15::text[]) tp(type, pattern)
                        WHERE tp.type = c.type AND tp.pattern = ANY (w.event_types)))
       AND (w.channels = '{}' OR c.channel = ANY (w.channels))
       AND (w.customer_ids = '{}' OR c.customer_id = ANY (w.customer_ids))),
taken AS MATERIALIZED (
    SELECT i.* FROM i WHERE i.key_hash IS NULL OR i.id IN (SELECT event_id FROM kept)),
d AS MATERIALIZED (
    SELECT t.n, t.id AS event_id, t.base, length(t.payload) AS bytes, m.id, m.shard,
           row_number() OVER (PARTITION BY t.n) - 1 AS i
      FROM taken t JOIN m ON m.type = t.type AND coalesce(m.channel, '') = coalesce(t.channel, '')
       AND coalesce(m.customer_id, '') = coalesce(t.customer_id, '')
     LIMIT 10001),
fan AS MATERIALIZED (SELECT n, count(*) AS deliveries FROM d GROUP BY 1),
e AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata,
                        occurred_at, created_at, fanout, payload)
    SELECT dlo_drawer(p.now, p.retention_s), p.id, t.id, t.type, t.channel, t.customer_id, t.external_id, t.routing_key,
           t.metadata, t.occurred_at::timestamptz, p.now, coalesce(fan.deliveries, 0), t.payload
      FROM p, taken t LEFT JOIN fan ON fan.n = t.n),
r AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT d.shard, p.id, d.id, d.bytes, dlo_drawer(p.now, p.retention_s), 0, 0, 0,
           encode(d.base || int2send(d.i::int2), 'hex')::uuid, d.event_id, p.now, p.now
      FROM p, d ORDER BY d.n, d.i)
SELECT t.n IS NOT NULL, coalesce(fan.deliveries, 0), first.event_id, first.differs,
       CASE WHEN (SELECT count(*) FROM d) > 10000 THEN dlo_abort('fanout-too-large')
            WHEN EXISTS (SELECT FROM kept JOIN (SELECT id, count(*) AS days FROM wanted GROUP BY 1) w
                                 ON w.id = kept.event_id WHERE kept.n < w.days) THEN dlo_abort('key-race') END
  FROM i LEFT JOIN taken t ON t.n = i.n LEFT JOIN fan ON fan.n = i.n LEFT JOIN first ON first.n = i.n
 ORDER BY i.n
