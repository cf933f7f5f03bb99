-- name: event_ingest_keyed
-- params: $1 project int4, $2 event uuid, $3 type text, $4 channel text, $5 customer text, $6 external id text,
--         $7 routing key text, $8 metadata text, $9 occurred at timestamptz, $10 payload bytea, $11 dedup key bytea,
--         $12 payload hash bytea, $13 patterns that match the type text[], $14 first 14 bytes of the delivery ids bytea
-- returns: stored bool, deliveries int8, first event with this key uuid (NULL: none), its payload differs bool
--          not stored and no first event: another request is storing the same key, or just has; ask event_key
-- locks: inserts only; waits for another insert of the same key
-- called by: events_post, for an event with a dedup key. Event, dedup key and deliveries are one statement: never half of them.
WITH p AS MATERIALIZED (
    SELECT id, retention_s, dedup_window_s, dlo_now() AS now FROM projects WHERE id = $1::int4),
first AS MATERIALIZED (
    SELECT k.event_id, k.body_hash FROM event_keys k, p
     WHERE k.project_id = $1::int4 AND k.key_hash = $11::bytea
       AND k.day BETWEEN dlo_day(dlo_now()) - 8 AND dlo_day(dlo_now()) + 1
       AND k.created_at > p.now - make_interval(secs => p.dedup_window_s)
     ORDER BY k.created_at LIMIT 1),
-- around midnight a key is written to both days, so that two requests on either side of it still collide
days AS MATERIALIZED (
    SELECT DISTINCT d.day FROM p CROSS JOIN LATERAL (VALUES (dlo_day(p.now)), (dlo_day(p.now - interval '5 minutes')),
                                                            (dlo_day(p.now + interval '5 minutes'))) d(day)
     WHERE NOT EXISTS (SELECT FROM first)
       -- a day that still holds this key from beyond the window cannot take it again, and need not
       AND NOT EXISTS (SELECT FROM event_keys x
                        WHERE x.project_id = $1::int4 AND x.key_hash = $11::bytea AND x.day = d.day)),
k AS (
    INSERT INTO event_keys (day, project_id, key_hash, event_id, body_hash, created_at)
    SELECT days.day, p.id, $11::bytea, $2::uuid, $12::bytea, p.now FROM p, days ORDER BY days.day
    ON CONFLICT DO NOTHING
    RETURNING 1),
m AS MATERIALIZED (
    SELECT w.id, w.shard, (row_number() OVER ())::int2 - 1 AS i FROM webhooks w
     WHERE w.project_id = $1::int4 AND w.deleted_at IS NULL
       AND (w.event_types = '{}' OR w.event_types && $13::text[] OR $3::text ~ w.event_regex)
       AND (w.channels = '{}' OR $4::text = ANY (w.channels))
       AND (w.customer_ids = '{}' OR $5::text = ANY (w.customer_ids))
     LIMIT 10001),
e AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata,
                        occurred_at, created_at, fanout, payload)
    SELECT dlo_drawer(p.now, p.retention_s), p.id, $2::uuid, $3::text, $4::text, $5::text, $6::text, $7::text,
           $8::text, $9::timestamptz, p.now, (SELECT count(*) FROM m), $10::bytea
      FROM p
     WHERE (SELECT count(*) FROM k) > 0
    RETURNING drawer, created_at),
r AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT m.shard, $1::int4, m.id, length($10::bytea), e.drawer, 0, 0, 0,
           encode($14::bytea || int2send(m.i::int2), 'hex')::uuid, $2::uuid, e.created_at, e.created_at
      FROM e, m)
SELECT (SELECT count(*) FROM e) > 0, (SELECT count(*) FROM m),
       (SELECT event_id FROM first), (SELECT body_hash <> $12::bytea FROM first),
       CASE WHEN (SELECT count(*) FROM m) > 10000 THEN dlo_abort('fanout-too-large')
            WHEN (SELECT count(*) FROM k) BETWEEN 1 AND (SELECT count(*) FROM days) - 1 THEN dlo_abort('key-race') END
