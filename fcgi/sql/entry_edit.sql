-- name: entry_edit
--
-- Makes an event with another payload from an open entry, and its delivery to the entry's webhook alone, or nothing: then
-- the caller looks up why. As entry_redrive, but that the source is the new event, hence no entry in the hot row: redrives
-- says which one waits for the outcome. It is shaped like any new event. The audit keeps both payloads.
-- Locks: the entry. Called by POST /v1/dlq/{id}/edit-re-drive.
--
-- $1 project  $2 entry  $3 its drawer  $4 the new delivery  $5 the new event  $6 payload  $7 reason  $8 actor
-- $9 id as shown  $10 request id
-- => one row if it happened
WITH moved AS (
    UPDATE dead_letters d
       SET state = 2, replayed_as = $4, updated_at = dlo_now()
      FROM projects p, webhooks w, dead_letter_bodies b
     WHERE d.project_id = $1 AND d.id = $2 AND d.drawer = $3 AND d.state = 1
       AND p.id = $1 AND p.edit_redrive AND d.created_at > dlo_now() - make_interval(secs => p.retention_s)
       AND w.project_id = $1 AND w.id = d.webhook_id AND w.enabled AND w.deleted_at IS NULL
       AND b.project_id = $1 AND b.id = $2 AND b.drawer = $3 AND octet_length(b.payload) > 0
    RETURNING d.id, d.drawer, d.webhook_id, d.event_id, d.event_type, d.channel, d.customer_id, d.external_id,
              d.occurred_at, d.reason, d.generation, w.shard, b.routing_key, b.metadata, b.payload,
              dlo_drawer(dlo_now(), p.retention_s) AS event_drawer, d.created_at > p.counted_from AS counted
), linked AS (
    INSERT INTO redrives (delivery_id, entry_id, entry_drawer, project_id)
    SELECT $4, m.id, m.drawer, $1 FROM moved m
), made AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, external_id, routing_key, metadata,
                        occurred_at, created_at, fanout, payload)
    SELECT m.event_drawer, $1, $5, m.event_type, m.channel, m.customer_id, m.external_id, m.routing_key, m.metadata,
           m.occurred_at, dlo_now(), 1, $6::bytea
      FROM moved m
), edited AS (
    INSERT INTO edits (event_id, project_id, delivery_id, entry_id, from_event_id)
    SELECT $5, $1, $4, m.id, m.event_id FROM moved m
), queued AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT m.shard, $1, m.webhook_id, octet_length($6::bytea), m.event_drawer, 0, 2, m.generation + 1, $4, $5, dlo_now(),
           dlo_now()
      FROM moved m
), counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT $1, m.webhook_id, coalesce(m.channel, ''), m.reason, s.state, s.n
      FROM moved m, (VALUES (1::smallint, -1), (2::smallint, 1)) AS s(state, n)
     WHERE m.counted
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $8, 'dlq.edit', $9,
           jsonb_build_object('reason', $7::text, 'delivery', $4::uuid, 'eventId', dlo_id('evt', $5::uuid),
                              'before', dlo_audit_payload(m.payload), 'after', dlo_audit_payload($6::bytea)),
           $10
      FROM moved m
)
SELECT id FROM moved;
