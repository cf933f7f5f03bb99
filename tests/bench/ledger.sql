-- Dead letters number :first to :last of :n, the first the newest, over :days days up to a minute ago: what so many
-- failures would have left behind, made by the database itself. As in a real one a few groups have most of the entries: of
-- 300 the first has 15 %, the last a tenth of a percent; webhook, reason, status and words are their group's. Types,
-- channels and customers are dealt likewise, 'rare.…' has one in 20,000. Nine tenths are open. Groups are counted by the
-- ledger's own triggers, totals by deltas as everybody leaves them. Ids are UUIDv7 of their time. ledger.sh runs it in
-- steps, two at once, as the owner.
SET work_mem = '256MB';
SET synchronous_commit = off;
SELECT setseed(:first / (2.0 * :n)) \g /dev/null
WITH p AS MATERIALIZED (
    SELECT id, retention_s, dlo_now() - interval '1 minute' AS newest FROM projects ORDER BY id LIMIT 1),
w AS MATERIALIZED (
    SELECT id, url, row_number() OVER (ORDER BY id) - 1 AS i FROM webhooks WHERE deleted_at IS NULL),
groups AS MATERIALIZED (
    SELECT q.k, q.reason, q.status, w.id AS webhook_id, w.url, decode(md5('group ' || q.k), 'hex') AS fingerprint,
           CASE WHEN q.status > 0 THEN 'HTTP ' || q.status ELSE 'no answer' END || ' of the kind ' || q.k AS error,
           q.reason IN (3, 6, 12, 17, 18, 19, 20, 21) AS permanent,
           jsonb_build_object('kind', 0, 'outcome', 2, 'reason', q.reason, 'statusCode', q.status, 'error', 'of the kind ' || q.k,
               'requestUrl', w.url, 'requestHeaders', E'content-type: application/json\nuser-agent: dlo\n',
               'bodySha256', repeat('5a', 32), 'responseHeaders', E'content-type: text/plain\nserver: bench\n',
               'responseBody', encode(convert_to(repeat('It is broken. ', 8), 'UTF8'), 'base64'), 'truncated', false,
               'dnsUs', 300, 'connectUs', 700, 'tlsUs', 0, 'ttfbUs', 9000, 'totalUs', 9400, 'remoteAddress', '127.1.0.1') AS story
      FROM (SELECT k, 1 + k * 8 % 21 AS reason,
                   CASE 1 + k * 8 % 21 WHEN 2 THEN 500 + k % 5 WHEN 3 THEN (ARRAY[400, 401, 403, 404, 410, 422])[1 + k % 6]
                       WHEN 4 THEN 429 WHEN 5 THEN 408 WHEN 6 THEN 301 + k % 2 ELSE 0 END AS status
              FROM generate_series(0, 299) k) q
      JOIN w ON w.i = q.k * 7 % (SELECT count(*) FROM w)),
dealt AS MATERIALIZED (
    SELECT g, p.newest - (g - 1) * make_interval(days => :days) / :n AS at, floor(300 * power(random(), 3))::int AS k,
           random() AS state, random() AS type, random() AS channel, random() AS customer
      FROM p, generate_series(:first, :last) g),
k AS MATERIALIZED (
    SELECT d.g, d.at, dlo_drawer(d.at, p.retention_s) AS drawer, p.id AS project_id, r.*,
           CASE WHEN d.state < 0.9 THEN 1 WHEN d.state < 0.95 THEN 5 WHEN d.state < 0.985 THEN 3 ELSE 4 END AS state,
           CASE WHEN d.g % 20000 = 7 THEN 'rare.type' ELSE 'type.' || floor(40 * power(d.type, 2)) END AS type,
           CASE WHEN d.g % 20000 = 7 THEN 'rare.channel' WHEN d.g % 10 > 0
                THEN 'channel.' || floor(8 * power(d.channel, 2)) END AS channel,
           'cus_' || floor(20000 * power(d.customer, 2)) AS customer,
           (h.head || right(gen_random_uuid()::text, 18))::uuid AS id,
           (h.head || right(gen_random_uuid()::text, 18))::uuid AS delivery_id,
           (h.head || right(gen_random_uuid()::text, 18))::uuid AS event_id
      FROM dealt d CROSS JOIN p JOIN groups r ON r.k = d.k
     CROSS JOIN LATERAL (
        SELECT regexp_replace(lpad(to_hex((extract(epoch FROM d.at) * 1000)::bigint), 12, '0'), '(.{8})', '\1-') || '-7'
               || lpad(to_hex(d.g % 4096), 3, '0') AS head) h),
letters AS (
    INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state,
        reason, permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint,
        event_type, channel, customer_id, external_id, occurred_at, first_attempt_at, last_attempt_at, last_error,
        decided_at, decided_by, decided_reason)
    SELECT drawer, project_id, id, webhook_id, delivery_id, event_id, at, at, state, reason, permanent, g % 100 = 0, status,
           1 + g % 5, CASE WHEN g % 200 = 0 THEN 1 + g / 200 % 3 ELSE 0 END, 1, fingerprint, type, channel, customer,
           CASE WHEN g % 2 = 0 THEN 'ord_' || g END, CASE WHEN g % 5 > 0 THEN at - interval '5 minutes' END,
           at - interval '2 minutes', at, error, CASE WHEN state = 5 THEN at END, CASE WHEN state = 5 THEN 'key_bench' END,
           CASE WHEN state = 5 THEN 'not wanted' END
      FROM k),
bodies AS (
    INSERT INTO dead_letter_bodies (drawer, project_id, id, url, template, attempts, payload)
    SELECT drawer, project_id, id, url, 'It is broken.',
           jsonb_build_array(story || jsonb_build_object('n', 1 + g % 5, 'at', at)),
           convert_to(rpad('{"order":"ord_' || g || '","note":"', 1022, 'x') || '"}', 'UTF8')
      FROM k)
INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
SELECT project_id, webhook_id, coalesce(channel, ''), reason, state, count(*) FROM k GROUP BY 1, 2, 3, 4, 5;
