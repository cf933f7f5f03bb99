-- name: metrics_senders
-- params: none
-- locks: none
-- called by: health.c
-- Counters of the senders seen within a minute, one row each. Nested objects are not shown.
SELECT left(replace(s.owner::text, '-', ''), 8), c.key, c.value::float8
  FROM senders s
 CROSS JOIN LATERAL jsonb_each_text(s.stats) c
 WHERE s.seen_at > clock_timestamp() - interval '60 seconds' AND c.value ~ '^-?[0-9]+(\.[0-9]+)?$'
 ORDER BY 2, 1
