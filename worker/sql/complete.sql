-- name: complete
-- params: $1 owner uuid, $2 leased shards int2[], $3 their epochs int8[], then one array per column of a result, see
--         completion.c: $4 shard int2, $5 webhook int4, $6 pos int8, $7 delivery uuid, $8 n int2, $9 kind int2,
--         $10 outcome int2, $11 reason int2, $12 status int2, $13 age us int8, $14 retry in ms int8, $15 error code text,
--         $16 error text, $17 url text, $18 request headers text, $19 body hash bytea, $20 answer headers text,
--         $21 answer body bytea, $22 truncated bool, $23 dns us int4, $24 connect us int4, $25 tls us int4,
--         $26 first byte us int4, $27 total us int4, $28 remote address text, $29 class int2, $30 bytes of the request int4,
--         $31 what a transform made of the source bytea (NULL: nothing)
-- returns: the positions that were still there; the others were somebody else's or done before: forget them
-- locks: the ready rows it deletes; for re-drives the entry's row
-- called by: sender, one batch of outcomes without dead letters; news of our own ($dlq) that could not be delivered end
--            here as well, as failed and without an entry. Run twice, or by an owner that lost its lease, it changes nothing.
WITH f AS MATERIALIZED (
    SELECT l.shard FROM shard_leases l JOIN unnest($2::int2[], $3::int8[]) h(shard, epoch) ON h.shard = l.shard
     WHERE l.owner = $1::uuid AND l.epoch = h.epoch AND l.expires_at > clock_timestamp()),
gone AS (
    DELETE FROM ready d
     USING (SELECT r.*, q.tid
              FROM unnest($4::int2[], $5::int4[], $6::int8[], $7::uuid[], $8::int2[], $9::int2[], $10::int2[], $11::int2[],
                          $12::int2[], $13::int8[], $14::int8[], $15::text[], $16::text[], $17::text[], $18::text[],
                          $19::bytea[], $20::text[], $21::bytea[], $22::bool[], $23::int4[], $24::int4[], $25::int4[],
                          $26::int4[], $27::int4[], $28::text[], $29::int2[], $30::int4[], $31::bytea[])
                r(r_shard, r_webhook, r_pos, r_delivery, n, kind, outcome, reason, status, age_us, retry_ms, error_code, error,
                  url, request_headers, body_sha256, response_headers, response_body, truncated, dns_us, connect_us, tls_us,
                  ttfb_us, total_us, remote, r_class, r_bytes, dispatched)
             -- LIMIT forbids every other join order, ORDER BY every other index: a plan made while the queue is empty
             -- takes any of them, and was seen to read the whole queue for each result
             CROSS JOIN LATERAL (
                SELECT o.ctid AS tid, o.pos, o.delivery_id FROM ready o
                 WHERE o.shard = r.r_shard AND o.webhook_id = r.r_webhook AND o.class = r.r_class AND o.pos >= r.r_pos
                 ORDER BY o.pos LIMIT 1) q
             WHERE q.pos = r.r_pos AND q.delivery_id = r.r_delivery
               AND r.r_shard = ANY(ARRAY(SELECT shard FROM f))) r
     WHERE d.ctid = r.tid
    RETURNING d.*, r.*),
facts AS (
    INSERT INTO attempts (drawer, project_id, delivery_id, n, kind, webhook_id, event_id, entry_id, at,
        delivery_created_at, generation, outcome, ends, reason, status_code, error_code, error, request_url,
        request_headers, body_sha256, response_headers, response_body, response_truncated, dns_us, connect_us, tls_us,
        ttfb_us, total_us, remote_address, dispatched)
    SELECT source_drawer, project_id, delivery_id, n, kind, webhook_id, event_id, entry_id,
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
-- re-drives that arrived: the entry they were made from learns it
ended AS MATERIALIZED (
    SELECT dlo_redrives_end(array_agg(delivery_id), array_agg(outcome), NULL) AS n FROM gone WHERE class = 2 AND outcome <> 1)
SELECT pos, (SELECT n FROM ended) FROM gone
