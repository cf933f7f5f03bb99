-- name: metrics_senders
-- params: none
-- locks: none
-- called by: health.c
-- Series of the senders seen within a minute (worker/stats.c), by name and sender, a histogram's buckets by their bound:
-- the text format wants them so. The last digits of an owner's id are random; the first are its time, and senders start
-- together.
SELECT right(s.owner::text, 8), c.key, c.value
  FROM senders s
 CROSS JOIN LATERAL jsonb_each_text(s.stats) c
 WHERE s.seen_at > clock_timestamp() - interval '60 seconds' AND c.value ~ '^-?[0-9]+(\.[0-9]+)?$'
 ORDER BY split_part(c.key, '{', 1) COLLATE "C", 1, replace(substring(c.key FROM 'le="([^"]+)"'), '+Inf', 'inf')::float8, 2
