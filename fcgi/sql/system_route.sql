-- name: system_route
-- params: $1 project int4, $2 event uuid, $3 its drawer int4, $4 patterns that match its type text[],
--         $5 first 14 bytes of the delivery ids bytea, $6 actor text, $7 id as shown text, $8 request id text
-- returns: whether it was still unroutable bool, deliveries int8
-- locks: the event's row
-- called by: system_entries_route. What event_ingest does with a new event, for one that no webhook took: when some do now,
--            the event leaves the system scope in the statement that queues its deliveries. Of two at once the second waits
--            for the row and finds it gone.
WITH e AS MATERIALIZED (
    SELECT e.id, e.drawer, e.type, e.channel, e.customer_id, octet_length(e.payload) AS bytes
      FROM events e JOIN projects p ON p.id = $1::int4
     WHERE e.project_id = $1::int4 AND e.id = $2::uuid AND e.drawer = $3::int4 AND e.fanout = 0
       AND e.created_at > dlo_now() - make_interval(secs => p.retention_s)
       FOR UPDATE OF e),
m AS MATERIALIZED (
    SELECT w.id, w.shard, (row_number() OVER ())::int2 - 1 AS i FROM e, webhooks w
     WHERE w.project_id = $1::int4 AND w.deleted_at IS NULL
       AND (w.event_types = '{}' OR w.event_types && $4::text[] OR e.type ~ w.event_regex)
       AND (w.channels = '{}' OR e.channel = ANY (w.channels))
       AND (w.customer_ids = '{}' OR e.customer_id = ANY (w.customer_ids))
     LIMIT 10000),
routed AS (
    UPDATE events x SET fanout = (SELECT count(*) FROM m)
      FROM e
     WHERE x.project_id = $1::int4 AND x.id = $2::uuid AND x.drawer = $3::int4 AND x.fanout = 0
       AND EXISTS (SELECT FROM m)
    RETURNING x.id),
r AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT m.shard, $1::int4, m.id, e.bytes, e.drawer, 0, 0, 0,
           encode($5::bytea || int2send(m.i::int2), 'hex')::uuid, e.id, dlo_now(), dlo_now()
      FROM routed, e, m),
audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1::int4, $6::text, 'dlq.route', $7::text, jsonb_build_object('deliveries', (SELECT count(*) FROM m)), $8::text
      FROM routed)
SELECT EXISTS (SELECT FROM e), (SELECT count(*) FROM m)
