-- name: bulk_rows
--
-- Operations, newest first, with their counts in one snapshot: what is not started, under way and ended adds up to the
-- total. Takes no locks. Called by GET /v1/bulk-operations, /{id}, /v1/overview, and what answers with one.
--
-- $1 project  $2 most rows  $3 only this id  $4 below this id  $5 kinds  $6 states  $7 from  $8 to (NULL: any)
-- => the columns of enum bulk_column
SELECT o.id, o.kind, o.state, o.cause, o.name, o.reason, o.query, o.retry_of, o.actor, o.anew, o.rate, o.truncated,
       o.total, o.total - o.fed AS not_started, o.fed - o.ended AS sent, o.succeeded, o.failed,
       o.skipped + o.cancelled AS skipped, o.cancelled, r.actual,
       CASE WHEN o.state <> 2 THEN NULL
            WHEN r.actual > 0 THEN ceil((o.total - o.ended) / r.actual)
            WHEN o.rate IS NOT NULL THEN ceil((o.total - o.fed) / o.rate) END::bigint AS eta,
       o.probe_size, o.created_at, o.start_at, o.started_at, o.finished_at, o.original
  FROM operations o
 CROSS JOIN LATERAL (
    SELECT round(CASE WHEN o.finished_at IS NOT NULL
                      THEN o.ended / greatest(extract(epoch FROM o.finished_at - o.started_at), 0.5)
                      WHEN o.state = 1 THEN 0
                      ELSE (o.ended - o.prev_done) / greatest(extract(epoch FROM clock_timestamp() - o.prev_at), 0.5)
                 END::numeric, 1)::float8 AS actual) r
 WHERE o.project_id = $1
   AND ($3::uuid IS NULL OR o.id = $3::uuid)
   AND ($4::uuid IS NULL OR o.id < $4::uuid)
   AND ($5::smallint[] IS NULL OR o.kind = ANY ($5::smallint[]))
   AND ($6::smallint[] IS NULL OR o.state = ANY ($6::smallint[]))
   AND ($7::timestamptz IS NULL OR o.created_at >= $7::timestamptz)
   AND ($8::timestamptz IS NULL OR o.created_at < $8::timestamptz)
 ORDER BY o.id DESC
 LIMIT $2::integer;
