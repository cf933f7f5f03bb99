-- name: metrics
-- params: none
-- locks: none
-- called by: health.c
-- Gauges, name and value. A queue is counted to 10,000; past that the planner's estimate is good enough.
WITH due AS (SELECT count(*) AS n FROM (SELECT FROM ready LIMIT 10001) x),
     waiting AS (SELECT count(*) AS n FROM (SELECT FROM later LIMIT 10001) x),
     oldest AS (
         SELECT min(r.ready_at) AS at
           FROM generate_series(0, 63) AS shard
          CROSS JOIN LATERAL (SELECT ready_at FROM ready WHERE ready.shard = shard::smallint
                               ORDER BY ins_xid, pos LIMIT 1) r),
     counts AS (
         SELECT coalesce(sum(n), 0) AS n
           FROM (SELECT n FROM dlq_counts WHERE state = 1 UNION ALL SELECT n FROM dlq_deltas WHERE state = 1) c)
SELECT 'dlo_due', CASE WHEN n <= 10000 THEN n::float8 ELSE greatest(n,
           (SELECT reltuples FROM pg_class WHERE oid = 'ready'::regclass)) END FROM due
UNION ALL
SELECT 'dlo_later', CASE WHEN n <= 10000 THEN n::float8 ELSE greatest(n,
           (SELECT reltuples FROM pg_class WHERE oid = 'later'::regclass)) END FROM waiting
UNION ALL
SELECT 'dlo_oldest_due_seconds', coalesce(greatest(extract(epoch FROM dlo_now() - at), 0), 0)::float8 FROM oldest
UNION ALL
SELECT 'dlo_leases', count(*)::float8 FROM shard_leases WHERE owner IS NOT NULL AND expires_at > clock_timestamp()
UNION ALL
SELECT 'dlo_sender_heartbeat_age_seconds',
       coalesce(extract(epoch FROM clock_timestamp() - max(seen_at)), -1)::float8 FROM senders WHERE NOT leaving
UNION ALL
SELECT 'dlo_dlq_open', n::float8 FROM counts
