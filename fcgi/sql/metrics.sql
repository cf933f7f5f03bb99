-- name: metrics
-- params: none
-- locks: none
-- called by: health.c
-- Gauges of the whole database, series and value, a family's series in a row. A queue is counted to 10,000; past that the
-- planner's estimate is good enough. Rows that are held are found by their webhooks; which ones a Retry-After blocks only
-- their senders know, who list them with their counters.
WITH due AS (SELECT count(*) AS n FROM (SELECT FROM ready LIMIT 10001) x),
     waiting AS (SELECT count(*) AS n FROM (SELECT FROM later LIMIT 10001) x),
     oldest AS (
         SELECT min(r.ready_at) AS at
           FROM generate_series(0, 63) AS shard
          CROSS JOIN LATERAL (SELECT ready_at FROM ready WHERE ready.shard = shard::smallint
                               ORDER BY ins_xid, pos LIMIT 1) r),
     counts AS (
         SELECT coalesce(sum(n), 0) AS n
           FROM (SELECT n FROM dlq_counts WHERE state = 1 UNION ALL SELECT n FROM dlq_deltas WHERE state = 1) c),
     living AS MATERIALIZED (
         SELECT owner, host, stats FROM senders
          WHERE NOT leaving AND seen_at > clock_timestamp() - interval '10 seconds'),
     blocked AS (
         SELECT DISTINCT b.id::integer AS id
           FROM living CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(stats -> 'blocked', '[]')) b(id)),
     held AS MATERIALIZED (
         SELECT id, shard, CASE WHEN NOT enabled THEN 'disabled' ELSE 'paused' END AS cause
           FROM webhooks WHERE deleted_at IS NULL AND (NOT enabled OR paused_at IS NOT NULL)
         UNION ALL
         SELECT w.id, w.shard, 'circuit' FROM breakers JOIN webhooks w ON w.id = webhook_id
          WHERE w.deleted_at IS NULL AND w.enabled AND w.paused_at IS NULL
         UNION ALL
         SELECT w.id, w.shard, 'retry_after' FROM blocked JOIN webhooks w USING (id)
          WHERE w.deleted_at IS NULL AND w.enabled AND w.paused_at IS NULL
            AND NOT EXISTS (SELECT FROM breakers b WHERE b.webhook_id = w.id))
SELECT 'dlo_due', CASE WHEN n <= 10000 THEN n::float8 ELSE greatest(n,
           (SELECT reltuples FROM pg_class WHERE oid = 'ready'::regclass)) END FROM due
UNION ALL
SELECT 'dlo_later', CASE WHEN n <= 10000 THEN n::float8 ELSE greatest(n,
           (SELECT reltuples FROM pg_class WHERE oid = 'later'::regclass)) END FROM waiting
UNION ALL
SELECT 'dlo_oldest_due_seconds', coalesce(greatest(extract(epoch FROM dlo_now() - at), 0), 0)::float8 FROM oldest
UNION ALL
SELECT format('dlo_held{cause="%s"}', c.cause),
       (SELECT count(*)::float8
          FROM (SELECT FROM held h
                 CROSS JOIN LATERAL (SELECT FROM ready r WHERE r.shard = h.shard AND r.webhook_id = h.id LIMIT 10000) one
                 WHERE h.cause = c.cause LIMIT 10000) x)
  FROM unnest(ARRAY['circuit', 'disabled', 'paused', 'retry_after']) AS c(cause)
UNION ALL
SELECT format('dlo_circuits{state="%s"}', s.name), (SELECT count(*)::float8 FROM breakers b WHERE b.state = s.n)
  FROM (VALUES (1, 'open'), (2, 'half_open')) s(n, name)
UNION ALL
SELECT 'dlo_notices_waiting', count(*)::float8 FROM (SELECT FROM notices LIMIT 10000) x
UNION ALL
SELECT 'dlo_leases', count(*)::float8 FROM shard_leases WHERE owner IS NOT NULL AND expires_at > clock_timestamp()
UNION ALL
SELECT 'dlo_senders', count(*)::float8 FROM living
UNION ALL
SELECT 'dlo_sender_heartbeat_age_seconds',
       coalesce(extract(epoch FROM clock_timestamp() - max(seen_at)), -1)::float8 FROM senders WHERE NOT leaving
UNION ALL
SELECT 'dlo_dlq_open', n::float8 FROM counts
UNION ALL
SELECT format('dlo_sender_info{sender="%s",host="%s"}', right(owner::text, 8),
              regexp_replace(left(host, 64), '[^[:alnum:]._-]', '_', 'g')), 1 FROM living
