-- name: event_ingest
-- params: $1 project int4, $2 event uuid, $3 type text, $4 channel text, $5 customer text, $6 external id text,
--         $7 routing key text, $8 metadata text, $9 occurred at timestamptz, $10 payload bytea,
--         $11 patterns that match the type text[], $12 first 14 bytes of the delivery ids bytea
-- returns: stored bool, deliveries int8
-- locks: inserts only
-- called by: events_post, for an event without a dedup key. event_ingest_keyed without the key: the look-up of a key opens
--            ten days of event_keys, which costs a quarter of the statement whether there is a key or not (measured).
WITH m AS MATERIALIZED (
    SELECT w.id, w.shard, (row_number() OVER ())::int2 - 1 AS i FROM webhooks w
     WHERE w.project_id = $1::int4 AND w.deleted_at IS NULL
       AND (w.event_types = '{}' OR w.event_types && $11::text[] OR $3::text ~ w.event_regex)
       AND (w.channels = '{}' OR $4::text = ANY (w.channels))
       AND (w.customer_ids = '{}' OR $5::text = ANY (w.customer_ids))
     LIMIT 10001),
e AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata,
                        occurred_at, created_at, fanout, payload)
    SELECT dlo_drawer(dlo_now(), p.retention_s), p.id, $2::uuid, $3::text, $4::text, $5::text, $6::text, $7::text,
           $8::text, $9::timestamptz, dlo_now(), (SELECT count(*) FROM m), $10::bytea
      FROM projects p WHERE p.id = $1::int4
    RETURNING drawer, created_at),
r AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT m.shard, $1::int4, m.id, length($10::bytea), e.drawer, 0, 0, 0,
           encode($12::bytea || int2send(m.i::int2), 'hex')::uuid, $2::uuid, e.created_at, e.created_at
      FROM e, m)
SELECT true, count(*), CASE WHEN count(*) > 10000 THEN dlo_abort('fanout-too-large') END FROM m
