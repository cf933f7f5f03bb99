-- name: auto_redrive_plan
-- params: $1 webhook int4, $2 recovered text, $3 reasons int2[], $4 generation from which on nothing is re-driven int4,
--         $5 new id uuid
-- returns: total int4, one row if an operation was made
-- locks: its own new rows
-- called by: maintainer, for a webhook that has recovered. There must have been an outage since its last operation, and none
--            since the recovery (its sender will tell of the next one). Two at once are refused by an index.
WITH hook AS MATERIALIZED (
    SELECT w.id, w.project_id, w.public_id, w.name, w.auto_redrive AS s,
           least((w.auto_redrive ->> 'maxEntries')::int4, n.max_bulk_items) AS most,
           dlo_now() - make_interval(secs => least((w.auto_redrive ->> 'windowSeconds')::int4, p.retention_s)) AS since
      FROM webhooks w JOIN projects p ON p.id = w.project_id JOIN plans n ON n.name = p.plan
     CROSS JOIN LATERAL dlo_auto_outage(w.id, $3::int2[], $4::int4) o
     WHERE w.id = $1::int4 AND o.last_at > o.planned_at AND o.last_at <= $2::timestamptz),
picked AS MATERIALIZED (
    SELECT d.id, d.drawer, row_number() OVER () AS item
      FROM hook h CROSS JOIN LATERAL (
        SELECT x.id, x.drawer FROM dead_letters x
         WHERE x.project_id = h.project_id AND x.webhook_id = h.id AND x.state = 1 AND x.created_at > h.since
           AND dlo_auto_takes(x, $3::int2[], $4::int4)
         ORDER BY x.created_at, x.id LIMIT h.most + 1) d),
made AS (
    INSERT INTO bulk_operations (id, project_id, kind, state, name, reason, query, actor, anew, rate, truncated, total,
                                 probe_size, start_at, webhook_id)
    SELECT $5::uuid, h.project_id, 1, 1, left('Auto-re-drive of ' || coalesce(h.name, dlo_id('whk', h.public_id)), 200),
           format('recovered: its circuit is closed and %s live deliveries succeeded', h.s ->> 'afterSuccesses'),
           jsonb_build_object('autoRedrive', h.s, 'filters', jsonb_build_object('webhookId', dlo_id('whk', h.public_id),
                                                                                'from', dlo_iso(h.since))),
           'auto', false, (h.s ->> 'ratePerSecond')::real, c.n > h.most, least(c.n, h.most), 1, dlo_now(), h.id
      FROM hook h, (SELECT count(*)::int4 AS n FROM picked) c
     WHERE c.n > 0
    RETURNING number, project_id, id, total, query, reason),
items AS (
    INSERT INTO bulk_items (operation, item, drawer, entry_id)
    SELECT m.number, p.item, p.drawer, p.id FROM made m JOIN picked p ON p.item <= m.total),
audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail)
    SELECT m.project_id, 'auto', 'operation.create', dlo_id('op', m.id),
           jsonb_build_object('kind', 1, 'total', m.total, 'query', m.query, 'reason', m.reason)
      FROM made m)
SELECT m.total FROM made m
