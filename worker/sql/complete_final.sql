-- name: complete_final
-- params: $1 to $31 as complete.sql, then $32 entry id uuid, $33 permanent bool, $34 intentional bool,
--         $35 fingerprint bytea, $36 its template text, then $37 to $44 the drawers its sources lie in int4
-- returns: the positions that were still there
-- locks: the ready rows it deletes; for re-drives the entry's row
-- called by: sender, one batch of outcomes in which something died. Dead-lettering, the end of a re-drive and the counts
--            are one statement: a crash cannot part them.
WITH f AS MATERIALIZED (
    SELECT l.shard FROM shard_leases l JOIN unnest($2::int2[], $3::int8[]) h(shard, epoch) ON h.shard = l.shard
     WHERE l.owner = $1::uuid AND l.epoch = h.epoch AND l.expires_at > clock_timestamp()),
gone AS (
    DELETE FROM ready d
     USING (SELECT r.*, q.tid
              FROM unnest($4::int2[], $5::int4[], $6::int8[], $7::uuid[], $8::int2[], $9::int2[], $10::int2[], $11::int2[],
                          $12::int2[], $13::int8[], $14::int8[], $15::text[], $16::text[], $17::text[], $18::text[],
                          $19::bytea[], $20::text[], $21::bytea[], $22::bool[], $23::int4[], $24::int4[], $25::int4[],
                          $26::int4[], $27::int4[], $28::text[], $29::int2[], $30::int4[], $31::bytea[], $32::uuid[],
                          $33::bool[], $34::bool[], $35::bytea[], $36::text[])
                r(r_shard, r_webhook, r_pos, r_delivery, n, kind, outcome, reason, status, age_us, retry_ms, error_code, error,
                  url, request_headers, body_sha256, response_headers, response_body, truncated, dns_us, connect_us, tls_us,
                  ttfb_us, total_us, remote, r_class, r_bytes, dispatched, made_entry_id, permanent, intentional, fingerprint,
                  template)
             -- LIMIT forbids every other join order, ORDER BY every other index: a plan made while the queue is empty
             -- takes any of them, and was seen to read the whole queue for each result
             CROSS JOIN LATERAL (
                SELECT o.ctid AS tid, o.pos, o.delivery_id, o.source_drawer FROM ready o
                 WHERE o.shard = r.r_shard AND o.webhook_id = r.r_webhook AND o.class = r.r_class AND o.pos >= r.r_pos
                 ORDER BY o.pos LIMIT 1) q
             WHERE q.pos = r.r_pos AND q.delivery_id = r.r_delivery
               AND r.r_shard = ANY(ARRAY(SELECT shard FROM f))
               -- carried elsewhere meanwhile: not touched, the sender reads it again
               AND q.source_drawer IN ($37::int4, $38::int4, $39::int4, $40::int4, $41::int4, $42::int4, $43::int4, $44::int4)) r
     WHERE d.ctid = r.tid
    RETURNING d.*, r.*),
facts AS (
    INSERT INTO attempts (drawer, project_id, delivery_id, n, kind, webhook_id, event_id, entry_id, made_entry_id, at,
        delivery_created_at, generation, outcome, ends, reason, status_code, error_code, error, request_url,
        request_headers, body_sha256, response_headers, response_body, response_truncated, dns_us, connect_us, tls_us,
        ttfb_us, total_us, remote_address, dispatched)
    SELECT source_drawer, project_id, delivery_id, n, kind, webhook_id, event_id, entry_id,
           CASE WHEN outcome = 2 THEN made_entry_id END,
           dlo_now() - make_interval(secs => age_us / 1e6), created_at, generation, outcome, outcome <> 1, reason,
           status, error_code, error, url, request_headers, body_sha256, response_headers, response_body, truncated,
           dns_us, connect_us, tls_us, ttfb_us, total_us, remote, dispatched
      FROM gone
    ON CONFLICT DO NOTHING),
again AS (
    INSERT INTO later (shard, due_at, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, entry_id, created_at, shaped)
    SELECT shard, dlo_now() + make_interval(secs => retry_ms / 1e3), project_id, webhook_id, r_bytes,
           source_drawer, n, greatest(class, 1), generation, delivery_id, event_id, entry_id, created_at, true
      FROM gone WHERE outcome = 1
    ON CONFLICT (project_id, delivery_id) DO NOTHING),
-- what died, with its source (the event, or for a re-drive the entry it was made from) and its whole story
dead AS MATERIALIZED (
    SELECT g.*, dlo_drawer(dlo_now(), p.retention_s) AS new_drawer, s.type, s.channel, s.customer_id, s.external_id,
           s.occurred_at, s.routing_key, s.metadata, s.payload, p.listens,
           coalesce(g.dispatched, story.dispatched, CASE WHEN g.shaped THEN s.dispatched END) AS sent,
           -- the last attempt is not in this statement's snapshot, and joining facts would be 500 x 500
           story.attempts || jsonb_build_array(attempt_json(ROW(g.source_drawer, g.project_id, g.delivery_id, g.n,
               g.kind, g.webhook_id, g.event_id, g.entry_id, g.made_entry_id,
               dlo_now() - make_interval(secs => g.age_us / 1e6), g.created_at, g.generation, g.outcome, true, g.reason,
               g.status, g.error_code, g.error, g.url, g.request_headers, g.body_sha256, g.response_headers,
               g.response_body, g.truncated, g.dns_us, g.connect_us, g.tls_us, g.ttfb_us, g.total_us,
               g.remote, NULL)::attempts)) AS attempts,
           story.requests + (g.kind = 0)::int AS requests, story.first_at, story.last_at, story.reasons
      FROM gone g
      JOIN projects p ON p.id = g.project_id
      LEFT JOIN LATERAL (
        SELECT e.type, e.channel, e.customer_id, e.external_id, e.occurred_at, e.routing_key, e.metadata, e.payload,
               NULL::bytea AS dispatched
          FROM events e
         WHERE g.entry_id IS NULL AND e.project_id = g.project_id AND e.id = g.event_id AND e.drawer = g.source_drawer
           AND e.drawer IN ($37::int4, $38::int4, $39::int4, $40::int4, $41::int4, $42::int4, $43::int4, $44::int4)
        UNION ALL
        SELECT o.event_type, o.channel, o.customer_id, o.external_id, o.occurred_at, b.routing_key, b.metadata,
               b.payload, b.dispatched
          FROM dead_letters o JOIN dead_letter_bodies b
            ON b.project_id = o.project_id AND b.id = o.id AND b.drawer = o.drawer
         WHERE g.entry_id IS NOT NULL AND o.project_id = g.project_id AND o.id = g.entry_id
           AND o.drawer = g.source_drawer AND o.drawer IN ($37::int4, $38::int4, $39::int4, $40::int4, $41::int4, $42::int4, $43::int4, $44::int4)
           AND b.drawer IN ($37::int4, $38::int4, $39::int4, $40::int4, $41::int4, $42::int4, $43::int4, $44::int4)) s ON true
     CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(attempt_json(t) ORDER BY t.n), '[]') AS attempts,
               count(*) FILTER (WHERE t.kind = 0) AS requests,
               min(t.at) FILTER (WHERE t.kind = 0) AS first_at, max(t.at) FILTER (WHERE t.kind = 0) AS last_at,
               array_agg(DISTINCT t.reason) FILTER (WHERE t.kind = 0) AS reasons,
               (array_agg(t.dispatched) FILTER (WHERE t.n = 1))[1] AS dispatched
          FROM attempts t
         WHERE t.project_id = g.project_id AND t.delivery_id = g.delivery_id AND t.drawer = g.source_drawer
           AND t.drawer IN ($37::int4, $38::int4, $39::int4, $40::int4, $41::int4, $42::int4, $43::int4, $44::int4)) story
     WHERE g.outcome = 2),
letters AS (
    INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state,
        reason, permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint,
        event_type, channel, customer_id, external_id, occurred_at, first_attempt_at, last_attempt_at, last_error)
    SELECT new_drawer, project_id, made_entry_id, webhook_id, delivery_id, event_id, dlo_now(), dlo_now(), 1,
           -- one cause for all attempts is the reason; several are retries_exhausted, unless the last one was final
           CASE WHEN permanent OR kind = 1 OR reasons IS NULL OR reasons = ARRAY[reason] THEN reason ELSE 15 END,
           permanent, intentional, status, requests, generation, 1, fingerprint, coalesce(type, ''), channel, customer_id,
           external_id, occurred_at,
           coalesce(first_at, CASE WHEN kind = 0 THEN dlo_now() - make_interval(secs => age_us / 1e6) END),
           CASE WHEN kind = 0 THEN dlo_now() - make_interval(secs => age_us / 1e6) ELSE last_at END,
           left(error, 500)
      FROM dead
    RETURNING project_id, webhook_id, channel, reason),
bodies AS (
    INSERT INTO dead_letter_bodies (drawer, project_id, id, url, routing_key, metadata, template, attempts, payload,
                                    dispatched)
    SELECT new_drawer, project_id, made_entry_id, coalesce(url, ''), routing_key, metadata, template, attempts,
           coalesce(payload, ''), sent
      FROM dead),
-- whoever listens on $dlq hears of it, from the maintainer
told AS (
    INSERT INTO notices (project_id, type, webhook_id, entry_id, entry_drawer)
    SELECT project_id, 'dlq.entry.created', webhook_id, made_entry_id, new_drawer FROM dead WHERE listens),
-- re-drives that died: the entry they were made from learns it
ended AS MATERIALIZED (
    SELECT dlo_redrives_end(array_agg(delivery_id), array_agg(outcome), array_agg(made_entry_id)) AS n
      FROM gone WHERE class = 2 AND outcome <> 1),
counted AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT project_id, webhook_id, coalesce(channel, ''), reason, 1, count(*) FROM letters GROUP BY 1, 2, 3, 4)
SELECT pos, (SELECT n FROM ended),
       -- a source that is not there although nobody said so was carried while we looked: nothing of this happened
       CASE WHEN EXISTS (SELECT FROM dead WHERE payload IS NULL AND error_code IS DISTINCT FROM 'source_missing')
            THEN dlo_abort('source-moved') END
  FROM gone
