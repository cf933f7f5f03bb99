-- name: entry_count
--
-- An exact total where counters cover the filter (webhook, channel, reason, state): base plus deltas, in one snapshot,
-- corrected by what the sweep has not seen yet. Entries created at or before counted_from have left the counters: those
-- that expired since are still in them and are taken off; where a plan grew, those visible again are added.
-- The drawers are named where it says so (entry_drawers.h). Takes no locks. Called by GET /v1/dlq with count, GET /dlq,
-- GET /v1/overview.
--
-- $1 project  $2 states  $3 webhooks, public ids, or NULL  $4 channels or NULL  $5 reasons or NULL
-- => total, as of
WITH p AS (
    SELECT dlo_now() - make_interval(secs => retention_s) AS cutoff, counted_from FROM projects WHERE id = $1
), hooks AS (
    SELECT array_agg(w.id) AS ids FROM webhooks w WHERE w.project_id = $1 AND w.public_id = ANY ($3::uuid[])
), counted AS (
    SELECT c.webhook_id, c.channel, c.reason, c.state, c.n FROM dlq_counts c WHERE c.project_id = $1
    UNION ALL
    SELECT d.webhook_id, d.channel, d.reason, d.state, d.n FROM dlq_deltas d WHERE d.project_id = $1
    UNION ALL
    SELECT o.webhook_id, coalesce(o.channel, ''), o.reason, o.state, -1
      FROM dead_letters o, p
     WHERE o.project_id = $1 AND o.created_at > p.counted_from AND o.created_at <= p.cutoff/*drawers*/
    UNION ALL
    SELECT o.webhook_id, coalesce(o.channel, ''), o.reason, o.state, 1
      FROM dead_letters o, p
     WHERE o.project_id = $1 AND o.created_at > p.cutoff AND o.created_at <= p.counted_from/*drawers*/
)
SELECT coalesce(sum(t.n), 0)::bigint AS total, dlo_now() AS counted_at
  FROM counted t
 WHERE t.state = ANY ($2::smallint[])
   AND ($3::uuid[] IS NULL OR t.webhook_id = ANY ((SELECT ids FROM hooks)::integer[]))
   AND ($4::text[] IS NULL OR t.channel = ANY ($4::text[]))
   AND ($5::smallint[] IS NULL OR t.reason = ANY ($5::smallint[]));
