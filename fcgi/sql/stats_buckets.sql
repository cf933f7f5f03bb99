-- name: stats_buckets
--
-- New dead letters by webhook and reason in steps of an hour or more, from what the maintainer folds each second; oldest
-- first. Takes no locks. Called by GET /v1/stats.
--
-- $1 project  $2 from  $3 to  $4 seconds a step  $5 webhooks, public ids, or NULL  $6 reasons or NULL  $7 most rows
-- => at, webhook, reason, count
SELECT date_bin(make_interval(secs => $4::integer), s.at, '2000-01-01Z') AS at, w.public_id, s.reason, sum(s.n)::bigint AS n
  FROM dlq_stats s
  JOIN webhooks w ON w.project_id = $1 AND w.id = s.webhook_id
 WHERE s.project_id = $1 AND s.at >= date_bin(make_interval(secs => $4::integer), $2::timestamptz, '2000-01-01Z')
   AND s.at < $3::timestamptz
   AND ($5::uuid[] IS NULL OR w.public_id = ANY ($5::uuid[]))
   AND ($6::smallint[] IS NULL OR s.reason = ANY ($6::smallint[]))
 GROUP BY 1, 2, 3
 ORDER BY 1, 2, 3
 LIMIT $7;
