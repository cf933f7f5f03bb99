-- name: event_rows
--
-- Events between two ids, newest first. Filters are applied to a window of the range, as in delivery_rows.
-- Takes no locks. Called by GET /v1/events and /v1/events/{id}.
--
-- $1 project  $2 lowest id  $3 highest id  $4 types  $5 channels  $6 external ids  $7 customers  $8 unroutable  $9 from
-- $10 to; from $4 on NULL: any
-- => scanned, last id scanned, whether nothing older can fit, and the columns of enum event_column: NULL when the window
--    has none that fits
WITH win AS MATERIALIZED (
    SELECT e.id, e.drawer, e.type, e.channel, e.customer_id, e.external_id, e.routing_key, e.metadata, e.occurred_at,
           e.created_at, e.fanout
      FROM events e
     WHERE e.project_id = $1 AND e.id <= $3
     ORDER BY e.id DESC
     LIMIT /*<*/201/*>*/
), p AS (
    SELECT dlo_now() - make_interval(secs => q.retention_s) AS cutoff FROM projects q WHERE q.id = $1
), span AS (
    SELECT count(*) AS scanned, (SELECT id FROM win ORDER BY id LIMIT 1) AS last,
           coalesce((SELECT win.id < $2 OR win.created_at < greatest(p.cutoff, $9::timestamptz - interval '10 minutes')
                       FROM win, p ORDER BY win.id LIMIT 1), true) AS beyond
      FROM win
)
SELECT s.scanned, s.last, s.beyond, f.*
  FROM span s
  LEFT JOIN LATERAL (
    SELECT x.*
      FROM win x
     CROSS JOIN p
     WHERE x.id >= $2 AND x.created_at > p.cutoff
       AND ($4::text[] IS NULL OR x.type = ANY ($4::text[]))
       AND ($5::text[] IS NULL OR x.channel = ANY ($5::text[]))
       AND ($6::text[] IS NULL OR x.external_id = ANY ($6::text[]))
       AND ($7::text[] IS NULL OR x.customer_id = ANY ($7::text[]))
       AND ($8::boolean IS NULL OR (x.fanout = 0) = $8::boolean)
       AND ($9::timestamptz IS NULL OR x.created_at >= $9::timestamptz)
       AND ($10::timestamptz IS NULL OR x.created_at < $10::timestamptz)
     ORDER BY x.id DESC
     LIMIT 201) f ON true
 ORDER BY f.id DESC;
