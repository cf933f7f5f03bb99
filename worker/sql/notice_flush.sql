-- name: notice_flush
-- params: $1 project int4, $2 most notices taken int4, $3 most told singly in a minute int4, $4 ids of the events it may
--         make uuid[], $5 the first 14 bytes of each one's delivery ids bytea[]; names by number from 0: $6 of reasons
--         text[], $7 of entry states text[]; as pairs $8 type text[], $9 pattern that matches it text[]
-- returns: notices taken int8, events made int8
-- locks: the notices it deletes, the project's row
-- called by: maintainer, every second for each project that has notices. Taking the notices and making the events is one
--            statement: a crash loses none and tells none twice. What nobody hears is dropped.
WITH p AS MATERIALIZED (
    SELECT q.id, q.retention_s, dlo_now() AS now, dlo_drawer(dlo_now(), q.retention_s) AS drawer,
           q.told_from BETWEEN dlo_now() - interval '1 minute' AND dlo_now() AS same_minute, q.told
      FROM projects q WHERE q.id = $1::int4 FOR NO KEY UPDATE),
taken AS MATERIALIZED (
    DELETE FROM notices n
     WHERE n.id = ANY (ARRAY(SELECT o.id FROM notices o WHERE o.project_id = $1::int4 ORDER BY o.id LIMIT $2::int4))
    RETURNING n.*),
hears AS MATERIALIZED (
    SELECT w.id, w.shard, w.event_types, w.event_regex, w.customer_ids, w.dlq_payload
      FROM webhooks w
     WHERE w.project_id = $1::int4 AND w.deleted_at IS NULL AND '$dlq' = ANY (w.channels)),
-- of a webhook that listens only its entries are told: its circuit could be the work of a notice
news AS MATERIALIZED (
    SELECT t.*, row_number() OVER (ORDER BY t.id) AS i
      FROM taken t
     WHERE t.type = ANY ($8::text[])
       AND (t.entry_id IS NOT NULL OR NOT EXISTS (SELECT FROM hears h WHERE h.id = t.webhook_id))),
room AS MATERIALIZED (
    SELECT greatest($3::int4 - CASE WHEN p.same_minute THEN p.told ELSE 0 END, 0) AS n FROM p),
-- what is told singly: an entry as lists show it, with what stands in it; or what became of a webhook
entries AS MATERIALIZED (
    SELECT n.type, n.created_at, (x.d).customer_id, b.payload,
           dlo_entry_json(x.d, b.url, w, (x.d).created_at + make_interval(secs => p.retention_s), $6::text[], $7::text[])
           || jsonb_build_object(
                  'title', (x.d).event_type || ' — '
                           || CASE WHEN (x.d).permanent THEN 'permanent failure' ELSE 'retries exhausted' END,
                  'severity', 'warning', 'messageId', dlo_id('evt', (x.d).event_id), 'originalChannel', (x.d).channel) AS data
      FROM p CROSS JOIN room JOIN news n ON n.i <= room.n AND n.entry_id IS NOT NULL
     CROSS JOIN LATERAL (SELECT o FROM dead_letters o
                          WHERE o.project_id = $1::int4 AND o.id = n.entry_id AND o.drawer = n.entry_drawer LIMIT 1) x(d)
     CROSS JOIN LATERAL (SELECT o.url, o.payload FROM dead_letter_bodies o
                          WHERE o.project_id = $1::int4 AND o.id = n.entry_id AND o.drawer = n.entry_drawer LIMIT 1) b
      JOIN webhooks w ON w.project_id = $1::int4 AND w.id = (x.d).webhook_id),
single AS (
    SELECT type, created_at, customer_id, payload, data FROM entries
    UNION ALL
    SELECT n.type, n.created_at, NULL, NULL,
           jsonb_build_object('webhookId', dlo_id('whk', w.public_id), 'subscriptionId', dlo_id('whk', w.public_id),
               'name', w.name, 'severity', CASE WHEN n.type = 'webhook.circuit.closed' THEN 'info' ELSE 'warning' END,
               'title', coalesce(w.name, dlo_id('whk', w.public_id)) || ' — '
                        || replace(substring(n.type FROM 'webhook\.(.*)'), '.', ' ')) || n.detail
      FROM room JOIN news n ON n.i <= room.n AND n.entry_id IS NULL
      JOIN webhooks w ON w.project_id = $1::int4 AND w.id = n.webhook_id),
-- the rest by its number
many AS (
    SELECT replace(n.type, 'dlq.entry.', 'dlq.entries.') AS type, max(n.created_at) AS created_at, NULL AS customer_id,
           NULL::bytea AS payload,
           jsonb_build_object('count', count(*), 'from', dlo_iso(min(n.created_at)), 'to', dlo_iso(max(n.created_at))) AS data
      FROM room JOIN news n ON n.i > room.n
     GROUP BY 1),
told AS MATERIALIZED (
    SELECT row_number() OVER () AS k, t.* FROM (SELECT * FROM single UNION ALL SELECT * FROM many) t),
heard AS MATERIALIZED (
    SELECT t.k, h.id, h.shard, h.dlq_payload AND t.payload IS NOT NULL AS whole
      FROM told t JOIN hears h
        ON (h.event_types = '{}' OR t.type ~ h.event_regex
            OR EXISTS (SELECT FROM unnest($8::text[], $9::text[]) tp(type, pattern)
                        WHERE tp.type = t.type AND tp.pattern = ANY (h.event_types)))
       AND (h.customer_ids = '{}' OR t.customer_id = ANY (h.customer_ids))),
-- one event for those that want the payload, another for those that do not
letters AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY t.k, v.whole) AS j, t.k, v.whole, v.n, t.type, t.customer_id, t.created_at,
           convert_to(json_build_object('type', t.type, 'timestamp', dlo_iso(t.created_at), 'data', t.data || CASE
               WHEN NOT v.whole THEN '{}'::jsonb
               -- a notice is an event like others, and no larger: 256 KiB, of which 16 are for the rest
               WHEN octet_length(to_json(convert_from(t.payload, 'UTF8'))::text) > 245760 THEN jsonb_build_object('payload', NULL, 'payloadTooLarge', true)
               ELSE jsonb_build_object('payload', convert_from(t.payload, 'UTF8'), 'encoding', 'utf-8')
           END)::text, 'UTF8') AS body
      FROM told t JOIN (SELECT k, whole, count(*) AS n FROM heard GROUP BY 1, 2) v ON v.k = t.k),
made AS (
    INSERT INTO events (drawer, project_id, id, type, channel, customer_id, occurred_at, created_at, fanout, payload)
    SELECT p.drawer, p.id, ($4::uuid[])[l.j], l.type, '$dlq', l.customer_id, l.created_at, p.now, l.n, l.body
      FROM p, letters l),
sent AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
    SELECT h.shard, p.id, h.id, length(l.body), p.drawer, 0, 0, 0,
           encode(($5::bytea[])[l.j] || int2send((row_number() OVER (PARTITION BY l.j) - 1)::int2), 'hex')::uuid,
           ($4::uuid[])[l.j], p.now, p.now
      FROM p, letters l JOIN heard h ON h.k = l.k AND h.whole = l.whole
     ORDER BY l.j),
counted AS (
    UPDATE projects q SET told_from = CASE WHEN p.same_minute THEN q.told_from ELSE p.now END,
                          told = CASE WHEN p.same_minute THEN q.told ELSE 0 END + s.n
      FROM p, (SELECT count(*) AS n FROM news, room WHERE news.i <= room.n AND EXISTS (SELECT FROM hears)) s
     WHERE q.id = p.id AND s.n > 0)
SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM letters)
