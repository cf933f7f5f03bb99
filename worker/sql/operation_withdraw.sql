-- name: operation_withdraw
-- params: $1 operation uuid, $2 whether also what may be under way at this moment bool
-- returns: deliveries withdrawn int8
-- locks: the hot rows it deletes, their entries
-- called by: maintainer, for an operation that is being cancelled: its re-drives that wait for a retry, or whose webhook is
--            held, end as cancelled and their entries are open again. Those that a sender may be sending right now are left
--            to end by themselves, so that what was sent is also written down; but not when its days are over ($2).
WITH linked AS MATERIALIZED (
    SELECT r.delivery_id, r.project_id, o.actor
      FROM bulk_operations o CROSS JOIN LATERAL (
        SELECT x.delivery_id, x.project_id FROM redrives x WHERE x.operation = o.number ORDER BY x.item LIMIT 5000) r
     WHERE o.id = $1::uuid),
waiting AS (
    DELETE FROM later l
     USING (SELECT q.tid, k.actor FROM linked k CROSS JOIN LATERAL (
                SELECT o.ctid AS tid FROM later o
                 WHERE o.project_id = k.project_id AND o.delivery_id = k.delivery_id LIMIT 1) q) x
     WHERE l.ctid = x.tid
    RETURNING l.project_id, l.delivery_id, l.webhook_id, l.event_id, l.entry_id, l.source_drawer, l.tries, l.generation,
              l.created_at, x.actor),
due AS (
    DELETE FROM ready l
     USING (SELECT q.tid, k.actor FROM linked k CROSS JOIN LATERAL (
                SELECT o.ctid AS tid, o.webhook_id FROM ready o
                 WHERE o.project_id = k.project_id AND o.delivery_id = k.delivery_id LIMIT 1) q
             WHERE $2::bool
                OR EXISTS (SELECT FROM webhooks w WHERE w.id = q.webhook_id
                              AND (w.paused_at IS NOT NULL OR NOT w.enabled OR w.deleted_at IS NOT NULL))
                OR EXISTS (SELECT FROM breakers b WHERE b.webhook_id = q.webhook_id AND b.state = 1)) x
     WHERE l.ctid = x.tid
    RETURNING l.project_id, l.delivery_id, l.webhook_id, l.event_id, l.entry_id, l.source_drawer, l.tries, l.generation,
              l.created_at, x.actor),
gone AS MATERIALIZED (SELECT * FROM waiting UNION ALL SELECT * FROM due),
verdicts AS (
    INSERT INTO attempts (drawer, project_id, delivery_id, n, kind, webhook_id, event_id, entry_id, at,
                          delivery_created_at, generation, outcome, ends, reason, status_code, error,
                          response_truncated, dns_us, connect_us, tls_us, ttfb_us, total_us)
    SELECT g.source_drawer, g.project_id, g.delivery_id, g.tries + 1, 1, g.webhook_id, g.event_id, g.entry_id, dlo_now(),
           g.created_at, g.generation, 3, true, 0, 0, 'cancelled with its operation by ' || g.actor, false, 0, 0, 0, 0, 0
      FROM gone g),
unlinked AS MATERIALIZED (
    DELETE FROM redrives x
     USING (SELECT q.tid FROM gone g CROSS JOIN LATERAL (
                SELECT o.ctid AS tid FROM redrives o WHERE o.delivery_id = g.delivery_id LIMIT 1) q) y
     WHERE x.ctid = y.tid
    RETURNING x.project_id, x.entry_id, x.entry_drawer, x.delivery_id, x.operation, x.item),
reopened AS MATERIALIZED (
    SELECT m.* FROM (
        SELECT array_agg(u.project_id) AS projects, array_agg(u.entry_drawer) AS drawers, array_agg(u.entry_id) AS entries,
               array_agg(1::int2) AS states
          FROM unlinked u) a
     CROSS JOIN LATERAL dlo_entries_move(a.projects, a.drawers, a.entries, 2::int2, a.states, NULL) m
     WHERE a.entries IS NOT NULL),
counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT r.project_id, r.webhook_id, coalesce(r.channel, ''), r.reason, s.state, sum(s.n)
      FROM reopened r, (VALUES (2::int2, -1), (1::int2, 1)) AS s(state, n)
     WHERE r.counted
     GROUP BY 1, 2, 3, 4, 5),
ended AS (
    INSERT INTO bulk_deltas (operation, outcome, n)
    SELECT e.operation, 3, sum(e.n) FROM (
        SELECT operation, dlo_item_end(operation, item, 3::int2, 0::int2, delivery_id, NULL, NULL) AS n
          FROM unlinked OFFSET 0) e
     GROUP BY 1)
SELECT count(*) FROM unlinked
