-- name: metrics_senders
-- params: none
-- locks: none
-- called by: health.c
-- Series of the senders seen within a minute (worker/stats.c), by name. The last digits of an owner's id are random;
-- the first are its time, and senders start together.
SELECT right(s.owner::text, 8), c.key, c.value
  FROM senders s
 CROSS JOIN LATERAL jsonb_each_text(s.stats) c
 WHERE s.seen_at > clock_timestamp() - interval '60 seconds' AND c.value ~ '^-?[0-9]+(\.[0-9]+)?$'
 ORDER BY 2, 1
