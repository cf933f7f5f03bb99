-- name: entry_redrive
--
-- Makes a new delivery of an open entry, or nothing: then the caller looks up why. Entry, link, queue, counts and audit
-- are one statement. Of many at once one finds the entry open, the others wait for the row and find it replaying;
-- redrives.entry_id UNIQUE says the same once more. The bytes are read from the entry when it is sent, hence its
-- drawer as the source: as they were sent, or, if nothing was ever sent, as they came and then shaped.
-- Locks: the entry. Called by POST /v1/dlq/{id}/re-drive and its aliases.
--
-- $1 project  $2 entry  $3 its drawer  $4 the new delivery  $5 actor  $6 id as shown  $7 request id
-- $8 whether today's transform makes the bytes anew; else they are those that were sent
-- $9 where it goes instead of the webhook's URL, in webhook_urls; NULL: there
-- => one row if it happened
WITH moved AS (
    UPDATE dead_letters d
       SET state = 2, replayed_as = $4, updated_at = dlo_now()
      FROM projects p, webhooks w, dead_letter_bodies b
     WHERE d.project_id = $1 AND d.id = $2 AND d.drawer = $3 AND d.state = 1
       AND p.id = $1 AND d.created_at > dlo_now() - make_interval(secs => p.retention_s)
       AND w.project_id = $1 AND w.id = d.webhook_id AND w.enabled AND w.deleted_at IS NULL
       AND b.project_id = $1 AND b.id = $2 AND b.drawer = $3
       AND octet_length(CASE WHEN $8::boolean THEN b.payload ELSE coalesce(b.dispatched, b.payload) END) > 0
    RETURNING d.id, d.drawer, d.webhook_id, d.event_id, d.channel, d.reason, d.generation, w.shard,
              octet_length(CASE WHEN $8::boolean THEN b.payload ELSE coalesce(b.dispatched, b.payload) END) AS payload_bytes,
              -- a re-drive that died before its first request has bytes that were sent as well
              (d.attempt_count > 0 OR b.dispatched IS NOT NULL) AND NOT $8::boolean AS shaped,
              d.created_at > p.counted_from AS counted
), linked AS (
    INSERT INTO redrives (delivery_id, entry_id, entry_drawer, project_id)
    SELECT $4, m.id, m.drawer, $1 FROM moved m
), targeted AS (
    INSERT INTO redrive_targets (delivery_id, project_id, url_id)
    SELECT $4, $1, $9::integer FROM moved m WHERE $9::integer IS NOT NULL
), queued AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, entry_id, created_at, ready_at, shaped)
    SELECT m.shard, $1, m.webhook_id, m.payload_bytes, m.drawer, 0, 2, m.generation + 1, $4, m.event_id, m.id,
           dlo_now(), dlo_now(), m.shaped
      FROM moved m
), counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT $1, m.webhook_id, coalesce(m.channel, ''), m.reason, s.state, s.n
      FROM moved m, (VALUES (1::smallint, -1), (2::smallint, 1)) AS s(state, n)
     WHERE m.counted
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $5, 'dlq.redrive', $6,
           jsonb_strip_nulls(jsonb_build_object('delivery', $4::uuid, 'target', CASE WHEN $9::integer IS NOT NULL THEN 'original' END)),
           $7
      FROM moved
)
SELECT id FROM moved;
