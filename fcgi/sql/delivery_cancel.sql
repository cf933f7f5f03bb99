-- name: delivery_cancel
--
-- Ends a waiting delivery: its hot row goes, a verdict without a request becomes its last attempt, and if it was a
-- re-drive, edited or not, its entry is open again, and the item of the operation that made it is cancelled. Nothing
-- happens if the row is gone: a sender's completion deletes the same row, so one of the two wins, and what a sender has in
-- flight then is sent but not written down.
-- Locks: the hot row, the entry. Called by POST /v1/deliveries/{id}/cancel.
--
-- $1 project  $2 delivery  $3 the drawer of its source  $4 actor  $5 id as shown  $6 request id
-- => one row if it happened
WITH due AS (
    DELETE FROM ready r
     WHERE r.project_id = $1 AND r.delivery_id = $2 AND r.source_drawer = $3
    RETURNING r.webhook_id, r.event_id, r.entry_id, r.tries, r.generation, r.created_at
), waiting AS (
    DELETE FROM later l
     WHERE l.project_id = $1 AND l.delivery_id = $2 AND l.source_drawer = $3
    RETURNING l.webhook_id, l.event_id, l.entry_id, l.tries, l.generation, l.created_at
), gone AS (
    SELECT * FROM due UNION ALL SELECT * FROM waiting LIMIT 1
), verdict AS (
    INSERT INTO attempts (drawer, project_id, delivery_id, n, kind, webhook_id, event_id, entry_id, at,
                          delivery_created_at, generation, outcome, ends, reason, status_code, error,
                          response_truncated, dns_us, connect_us, tls_us, ttfb_us, total_us)
    SELECT $3, $1, $2, g.tries + 1, 1, g.webhook_id, g.event_id, g.entry_id, dlo_now(), g.created_at, g.generation, 3,
           true, 0, 0, 'cancelled by ' || $4::text, false, 0, 0, 0, 0, 0
      FROM gone g
), unlinked AS (
    DELETE FROM redrives r
     USING gone g
     WHERE r.project_id = $1 AND r.delivery_id = $2
    RETURNING r.operation, r.item, r.entry_id, r.entry_drawer
), item AS (
    INSERT INTO bulk_deltas (operation, outcome, n)
    SELECT i.operation, 3, i.n FROM (
        SELECT u.operation, dlo_item_end(u.operation, u.item, 3::smallint, 0::smallint, $2, NULL, NULL) AS n
          FROM unlinked u WHERE u.operation IS NOT NULL OFFSET 0) i
     WHERE i.n > 0
), reopened AS (
    SELECT m.webhook_id, m.channel, m.reason, m.counted
      FROM unlinked u
     CROSS JOIN LATERAL dlo_entry_move($1, u.entry_drawer, u.entry_id, 2::smallint, 1::smallint) m
), counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT $1, o.webhook_id, coalesce(o.channel, ''), o.reason, s.state, s.n
      FROM reopened o, (VALUES (2::smallint, -1), (1::smallint, 1)) AS s(state, n)
     WHERE o.counted
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, request_id)
    SELECT $1, $4, 'delivery.cancel', $5, $6 FROM gone
)
SELECT g.event_id FROM gone g;
