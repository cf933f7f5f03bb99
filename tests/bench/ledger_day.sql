-- A drawer whose day has come: :n events, each with one attempt and its dead letter, that expired in the 24 hours before it.
-- The maintainer would drop it within ten seconds; it is kept away by its own lock until this session ends, which
-- prints the bytes and reads a line of the standard input when all is there. Run by ledger.sh as the owner.
SET work_mem = '256MB';
SET synchronous_commit = off;
SET client_min_messages = error;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'dlo-maintainer' \g /dev/null
SELECT pg_advisory_lock(7236270561) \g /dev/null
SELECT dlo_day(dlo_now() - interval '5 minutes') AS day \gset
SELECT to_char(date '1970-01-01' + :day, '"d"YYYYMMDD') AS suffix \gset
SELECT count(dlo_make_drawer(parent, :day, :day + 1, :'suffix'))
  FROM unnest(ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies']) parent \g /dev/null
CREATE TEMP TABLE k AS
    SELECT g, p.id AS project_id, w.id AS webhook_id, w.url,
           to_timestamp((:day::bigint - 1) * 86400 + 86399.0 * g / :n) - make_interval(secs => p.retention_s) AS at,
           gen_random_uuid() AS id, gen_random_uuid() AS delivery_id, gen_random_uuid() AS event_id
      FROM (SELECT * FROM projects ORDER BY id LIMIT 1) p, generate_series(1, :n) g
      JOIN (SELECT id, url, row_number() OVER (ORDER BY id) - 1 AS i, count(*) OVER () AS n FROM webhooks) w ON w.i = g % w.n;
-- not through their parents: what has expired is not counted any more
\set table events_ :suffix
INSERT INTO :"table" (drawer, project_id, id, type, created_at, fanout, payload)
SELECT :day, project_id, event_id, 'order.paid', at, 1, convert_to(rpad('{"order":' || g || ',"note":"', 1022, 'x') || '"}', 'UTF8')
  FROM k;
\set table attempts_ :suffix
INSERT INTO :"table" (drawer, project_id, delivery_id, n, kind, webhook_id, event_id, made_entry_id, at, delivery_created_at,
    generation, outcome, ends, reason, status_code, request_url, request_headers, response_headers, response_body,
    response_truncated, dns_us, connect_us, tls_us, ttfb_us, total_us, remote_address)
SELECT :day, project_id, delivery_id, 1, 0, webhook_id, event_id, id, at, at, 0, 2, true, 2, 503, url,
       'content-type: application/json', 'content-type: text/plain', convert_to('It is broken.', 'UTF8'), false, 300, 700, 0,
       9000, 9400, '127.1.0.1'
  FROM k;
\set table dead_letters_ :suffix
INSERT INTO :"table" (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state, reason,
    permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint, event_type, customer_id,
    external_id, last_error)
SELECT :day, project_id, id, webhook_id, delivery_id, event_id, at, at, 1, 2, false, false, 503, 1, 0, 1,
       decode(md5((g % 300)::text), 'hex'), 'type.' || g % 40, 'cus_' || g % 20000, 'ord_' || g, 'HTTP 503'
  FROM k;
\set table dead_letter_bodies_ :suffix
INSERT INTO :"table" (drawer, project_id, id, url, attempts, payload)
SELECT :day, project_id, id, url, '[]', convert_to(rpad('{"order":' || g || ',"note":"', 1022, 'x') || '"}', 'UTF8')
  FROM k;
VACUUM ANALYZE events;
VACUUM ANALYZE attempts;
VACUUM ANALYZE dead_letters;
VACUUM ANALYZE dead_letter_bodies;
SELECT sum(pg_total_relation_size(parent || '_' || :'suffix'))
  FROM unnest(ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies']) parent;
\prompt released
