-- name: delivery_rows
--
-- Deliveries between two ids, newest first: those that are not over are their hot row, those that are over their
-- terminal attempt. What the filters have no index for is looked for in a window: the newest rows of the range, of which
-- those that fit are shown; the caller goes on below the window's end (fcgi/window.h, which also puts another number in
-- the place of the marked one). Type, channel and customer come from the event, or from the entry that was re-driven:
-- both lie in the delivery's source drawer. The joins are lateral with a limit so that they stay look-ups: the planner
-- cannot see that a named drawer leaves one partition of 92, and would hash the whole ledger.
-- Why one waits is what its webhook says: disabled, paused; for one that is due also an open circuit, or a rate that
-- let it wait for more than a second. A hold ends with the hold budget, waiting for the rate does not.
-- Takes no locks. Called by everything that shows deliveries.
--
-- $1 project  $2 lowest id  $3 highest id  $4 outcomes (1: pending)  $5 webhooks  $6 types  $7 channels
-- $8 external ids  $9 customers  $10 events  $11 held  $12 from  $13 to; from $4 on NULL: any
-- => scanned, last id scanned, whether nothing older can fit, and the columns of enum delivery_column: NULL when the
--    window has none that fits
WITH win AS MATERIALIZED (
    SELECT y.*
      FROM ((SELECT r.delivery_id, r.source_drawer AS drawer, r.webhook_id, r.event_id, r.entry_id,
                    NULL::uuid AS made_entry_id, 1 AS outcome, r.tries::integer AS attempts, r.ready_at AS due_at,
                    true AS due, r.created_at, NULL::timestamptz AS finished_at
               FROM ready r
              WHERE r.project_id = $1 AND r.delivery_id <= $3
                AND ($4::smallint[] IS NULL OR 1 = ANY ($4::smallint[]))
              ORDER BY r.delivery_id DESC
              LIMIT /*<*/201/*>*/)
            UNION ALL
            (SELECT l.delivery_id, l.source_drawer, l.webhook_id, l.event_id, l.entry_id, NULL, 1, l.tries, l.due_at,
                    false, l.created_at, NULL
               FROM later l
              WHERE l.project_id = $1 AND l.delivery_id <= $3
                AND ($4::smallint[] IS NULL OR 1 = ANY ($4::smallint[]))
              ORDER BY l.delivery_id DESC
              LIMIT /*<*/201/*>*/)
            UNION ALL
            (SELECT a.delivery_id, a.drawer, a.webhook_id, a.event_id, a.entry_id, a.made_entry_id, a.outcome,
                    a.n - a.kind, NULL, false, a.delivery_created_at, a.at + make_interval(secs => a.total_us / 1e6)
               FROM attempts a
              WHERE a.project_id = $1 AND a.delivery_id <= $3 AND a.ends
                AND ($4::smallint[] IS NULL OR $4::smallint[] <> '{1}')
              ORDER BY a.delivery_id DESC
              LIMIT /*<*/201/*>*/)) y
     ORDER BY y.delivery_id DESC
     LIMIT /*<*/201/*>*/
), p AS (
    SELECT dlo_now() - make_interval(secs => q.retention_s) AS cutoff FROM projects q WHERE q.id = $1
), span AS (
    SELECT count(*) AS scanned, (SELECT delivery_id FROM win ORDER BY delivery_id LIMIT 1) AS last,
           coalesce((SELECT w.delivery_id < $2
                            OR coalesce(w.created_at < $12::timestamptz - interval '10 minutes', false)
                            OR (w.created_at < p.cutoff
                                AND NOT EXISTS (SELECT FROM ready r
                                                 WHERE r.project_id = $1 AND r.delivery_id < w.delivery_id)
                                AND NOT EXISTS (SELECT FROM later l
                                                 WHERE l.project_id = $1 AND l.delivery_id < w.delivery_id))
                       FROM win w, p ORDER BY w.delivery_id LIMIT 1), true) AS beyond
      FROM win
)
SELECT s.scanned, s.last, s.beyond, f.*
  FROM span s
  LEFT JOIN LATERAL (
    SELECT x.delivery_id, x.drawer, x.event_id, coalesce(e.external_id, o.external_id) AS external_id,
           w.public_id AS webhook_id, x.outcome, x.attempts, x.due_at, x.due, x.made_entry_id,
           -- of an edited one the source is its event, and the entry stands beside it
           coalesce(x.entry_id, (SELECT d.entry_id FROM edits d
                                  WHERE d.project_id = $1 AND d.delivery_id = x.delivery_id)) AS entry_id, x.created_at,
           x.finished_at, coalesce(e.type, o.event_type) AS event_type, coalesce(e.channel, o.channel) AS channel,
           coalesce(e.customer_id, o.customer_id) AS customer_id, h.by AS held_by,
           CASE WHEN w.deleted_at IS NOT NULL AND h.by IS NOT NULL THEN x.due_at
                WHEN h.by <> 'rate' THEN x.due_at + make_interval(secs => w.hold_budget_s) END AS held_until
      FROM win x
     CROSS JOIN p
      JOIN webhooks w ON w.project_id = $1 AND w.id = x.webhook_id
     CROSS JOIN LATERAL (
            SELECT CASE WHEN x.outcome <> 1 THEN NULL
                        WHEN NOT w.enabled OR w.deleted_at IS NOT NULL THEN 'disabled'
                        WHEN w.paused_at IS NOT NULL THEN 'paused'
                        WHEN NOT x.due THEN NULL
                        WHEN EXISTS (SELECT FROM breakers b
                                      WHERE b.project_id = $1 AND b.webhook_id = x.webhook_id) THEN 'circuit'
                        WHEN w.rate_per_second IS NOT NULL AND x.due_at < dlo_now() - interval '1 second'
                             THEN 'rate' END AS by) h
      LEFT JOIN LATERAL (
            SELECT v.type, v.channel, v.customer_id, v.external_id FROM events v
             WHERE v.project_id = $1 AND v.id = x.event_id AND v.drawer = x.drawer
             LIMIT 1) e ON true
      LEFT JOIN LATERAL (
            SELECT v.event_type, v.channel, v.customer_id, v.external_id FROM dead_letters v
             WHERE v.project_id = $1 AND v.id = x.entry_id AND v.drawer = x.drawer
             LIMIT 1) o ON true
     WHERE x.delivery_id >= $2 AND (x.outcome = 1 OR x.created_at > p.cutoff)
       AND ($4::smallint[] IS NULL OR x.outcome = ANY ($4::smallint[]))
       AND ($5::uuid[] IS NULL OR w.public_id = ANY ($5::uuid[]))
       AND ($6::text[] IS NULL OR coalesce(e.type, o.event_type) = ANY ($6::text[]))
       AND ($7::text[] IS NULL OR coalesce(e.channel, o.channel) = ANY ($7::text[]))
       AND ($8::text[] IS NULL OR coalesce(e.external_id, o.external_id) = ANY ($8::text[]))
       AND ($9::text[] IS NULL OR coalesce(e.customer_id, o.customer_id) = ANY ($9::text[]))
       AND ($10::uuid[] IS NULL OR x.event_id = ANY ($10::uuid[]))
       AND ($11::boolean IS NULL OR (h.by IS NOT NULL) = $11::boolean)
       AND ($12::timestamptz IS NULL OR x.created_at >= $12::timestamptz)
       AND ($13::timestamptz IS NULL OR x.created_at < $13::timestamptz)
     ORDER BY x.delivery_id DESC
     LIMIT 201) f ON true
 ORDER BY f.delivery_id DESC;
