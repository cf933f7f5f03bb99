-- name: overview
--
-- The numbers of the overview but the total (entry_count). Every scan is bounded: the usual rate is that of a day's hours,
-- as the maintainer counts them, a minute's entries are counted up to 20,000, queues up to 100,000, oldest first. What
-- waits at a webhook that is paused, disabled or has an open circuit is held, not due. The heartbeat is the only real time
-- here. The drawers are named where it says so (entry_drawers.h). Takes no locks. Called by GET /v1/overview.
--
-- $1 project
-- => entering, usual, last_entry_at, affected, webhooks, expiring, expiring_first_at, due, held, later, capped,
--    oldest_due_s, heartbeat_s
WITH p AS (
    SELECT dlo_now() AS now, dlo_now() - make_interval(secs => retention_s) AS cutoff,
           make_interval(secs => retention_s) AS retention
      FROM projects WHERE id = $1
), minute AS (
    SELECT FROM dead_letters o
     WHERE o.project_id = $1 AND o.created_at > (SELECT greatest(p.cutoff, p.now - interval '1 minute') FROM p)/*drawers*/
     ORDER BY o.created_at DESC, o.id DESC
     LIMIT 20000
), rate AS (
    SELECT (SELECT count(*) FROM minute) AS entering, coalesce(sum(s.n), 0) / 1440 AS usual
      FROM p LEFT JOIN dlq_stats s ON s.project_id = $1 AND s.at > p.now - interval '24 hours'
), soon AS (
    SELECT o.created_at FROM dead_letters o, p
     WHERE o.project_id = $1 AND o.state = 1 AND o.created_at > p.cutoff AND o.created_at <= p.cutoff + interval '24 hours'/*drawers*/
     LIMIT 100000
), open AS (
    SELECT c.webhook_id
      FROM (SELECT b.webhook_id, b.n FROM dlq_counts b WHERE b.project_id = $1 AND b.state = 1
            UNION ALL
            SELECT b.webhook_id, b.n FROM dlq_deltas b WHERE b.project_id = $1 AND b.state = 1) c
     GROUP BY c.webhook_id
    HAVING sum(c.n) > 0
), waiting AS (
    SELECT r.ready_at, w.paused_at IS NOT NULL OR NOT w.enabled OR w.deleted_at IS NOT NULL
                       OR b.webhook_id IS NOT NULL AS held
      FROM (SELECT q.webhook_id, q.ready_at FROM ready q WHERE q.project_id = $1
             ORDER BY q.delivery_id LIMIT 100000) r
      JOIN webhooks w ON w.project_id = $1 AND w.id = r.webhook_id
      LEFT JOIN breakers b ON b.project_id = $1 AND b.webhook_id = r.webhook_id
), resting AS (
    SELECT count(*) AS n FROM (SELECT FROM later l WHERE l.project_id = $1 LIMIT 100000) l
), queue AS (
    SELECT count(*) FILTER (WHERE NOT q.held) AS due, count(*) FILTER (WHERE q.held) AS held,
           min(q.ready_at) FILTER (WHERE NOT q.held) AS oldest
      FROM waiting q
)
SELECT rate.entering, round(rate.usual, 3) AS usual,
       (SELECT o.created_at FROM dead_letters o WHERE o.project_id = $1 AND o.created_at > p.cutoff/*drawers*/
         ORDER BY o.created_at DESC, o.id DESC LIMIT 1) AS last_entry_at,
       (SELECT count(*) FROM open) AS affected,
       (SELECT count(*) FROM webhooks w WHERE w.project_id = $1 AND w.deleted_at IS NULL) AS webhooks,
       (SELECT count(*) FROM soon) AS expiring,
       (SELECT o.created_at FROM dead_letters o WHERE o.project_id = $1 AND o.state = 1 AND o.created_at > p.cutoff
            AND o.created_at <= p.cutoff + interval '24 hours'/*drawers*/
         ORDER BY o.created_at, o.id LIMIT 1) + p.retention AS expiring_first_at,
       queue.due, queue.held, resting.n AS later, queue.due + queue.held >= 100000 OR resting.n >= 100000 AS capped,
       greatest(extract(epoch FROM p.now - queue.oldest), 0)::bigint AS oldest_due_s,
       (SELECT greatest(extract(epoch FROM clock_timestamp() - max(s.seen_at)), 0)::bigint FROM senders s) AS heartbeat_s
  FROM p, rate, queue, resting;
