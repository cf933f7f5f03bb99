-- A backlog of :n deliveries, each of an event of its own with :bytes bytes, dealt in turn to all webhooks whose event type
-- is like :types: what :n posts would have left behind, made by the database itself. run.sh fills with it before a drain, and measures with it
-- (1,000 rows at a time) what the database alone could take in. Ids are UUIDv7 in order, as the responder makes them:
-- random ones would cost another index page each. For psql and pgbench; run as the owner.
WITH p AS MATERIALIZED (
    SELECT id, dlo_now() AS now, dlo_drawer(dlo_now(), retention_s) AS drawer,
           (extract(epoch FROM dlo_now()) * 1000)::bigint - :n / 4096 AS ms
      FROM projects),
w AS MATERIALIZED (
    SELECT id, shard, row_number() OVER (ORDER BY id) - 1 AS i FROM webhooks
     WHERE deleted_at IS NULL AND event_types[1] LIKE :types),
heads AS MATERIALIZED (
    SELECT i, regexp_replace(lpad(to_hex(p.ms + i / 4096), 12, '0'), '(.{8})', '\1-') || '-7'
              || lpad(to_hex(i % 4096), 3, '0') AS head
      FROM p, generate_series(0, :n - 1) i),
ids AS MATERIALIZED (
    SELECT i, (head || right(gen_random_uuid()::text, 18))::uuid AS event_id,
           (head || right(gen_random_uuid()::text, 18))::uuid AS delivery_id
      FROM heads),
e AS (
    INSERT INTO events (drawer, project_id, id, type, channel, created_at, fanout, payload)
    SELECT p.drawer, p.id, ids.event_id, 'order.paid', 'orders', p.now, 1,
           convert_to(rpad('{"n":' || ids.i || ',"note":"', :bytes - 2, 'x') || '"}', 'UTF8')
      FROM p, ids)
INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation, delivery_id,
                   event_id, created_at, ready_at)
SELECT w.shard, p.id, w.id, :bytes, p.drawer, 0, 0, 0, ids.delivery_id, ids.event_id, p.now, p.now
  FROM p, ids JOIN w ON w.i = ids.i % (SELECT count(*) FROM w);
