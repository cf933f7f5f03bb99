-- name: ping_create
-- params: $1 project int4, $2 webhook's public id uuid, $3 event uuid, $4 delivery uuid, $5 webhook as shown text,
--         $6 actor text, $7 request id text
-- returns: no row if there is no such webhook; else seconds until the project may ping again (0: now), whether it was sent.
--          The audit counts them: a ping is written there anyway. Of two at the same instant neither sees the other.
-- locks: inserts only
-- called by: ping_create. An event like any other, but for one webhook whatever that one subscribes to.
WITH w AS (
    SELECT w.id, w.shard, p.id AS project_id, p.retention_s
      FROM webhooks w JOIN projects p ON p.id = w.project_id
     WHERE w.project_id = $1::int4 AND w.public_id = $2::uuid AND w.deleted_at IS NULL),
recent AS (
    SELECT CASE WHEN count(*) < 6 THEN 0
                ELSE greatest(1, ceil(extract(epoch FROM min(at) + interval '1 minute' - dlo_now()))) END AS wait_s
      FROM (SELECT at FROM (SELECT at, action FROM audit_log WHERE project_id = $1::int4 ORDER BY id DESC LIMIT 500) a
             WHERE action = 'webhook.ping' AND at > dlo_now() - interval '1 minute'
             ORDER BY at DESC LIMIT 6) t),
body AS (
    SELECT convert_to(json_build_object('type', 'webhook.ping',
                                        'timestamp', to_char(dlo_now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                                        'data', json_build_object('webhookId', $5::text))::text, 'UTF8') AS payload),
e AS (
    INSERT INTO events (drawer, project_id, id, type, created_at, fanout, payload)
    SELECT dlo_drawer(dlo_now(), w.retention_s), w.project_id, $3::uuid, 'webhook.ping', dlo_now(), 1, body.payload
      FROM w, recent, body WHERE recent.wait_s = 0
    RETURNING drawer, created_at, length(payload) AS n),
r AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT w.shard, w.project_id, w.id, e.n, e.drawer, 0, 0, 0, $4::uuid, $3::uuid, e.created_at, e.created_at
      FROM e, w),
audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, request_id)
    SELECT $1::int4, $6::text, 'webhook.ping', $5::text, $7::text FROM e)
SELECT recent.wait_s::int4, EXISTS (SELECT FROM e) FROM w, recent
