-- name: operation_feed
-- params: $1 operation uuid, $2 ids for new deliveries uuid[], $3 most of it under way int4, $4 what of one webhook may be
--         under way in any case int4
-- returns: items taken int8, re-drives made int8
-- locks: the operation, the entries it re-drives
-- called by: maintainer, for a running re-drive: the next items, each lane's in order, as many as its pace allows. Entry,
--            link, queue, counts, what is skipped and how far it got are one statement: killed anywhere, it goes on with
--            the next item.
WITH items AS MATERIALIZED (
    SELECT t.number, t.project_id, t.anew, o.original, t.item, t.entry_id, t.drawer, ($2::uuid[])[t.nth] AS delivery
      FROM dlo_operation_take($1::uuid, cardinality($2::uuid[]), $3::int4, $4::int4) t
      JOIN bulk_operations o ON o.id = $1::uuid),
looked AS MATERIALIZED (
    SELECT i.number, i.project_id, i.entry_id, i.delivery, i.original, l.*,
           CASE WHEN i.original AND l.cause = 0 THEN dlo_original(i.project_id, l.drawer, i.entry_id) END AS url_id
      FROM (SELECT min(project_id) AS project_id, bool_or(anew) AS anew, array_agg(item) AS items,
                   array_agg(drawer) AS drawers, array_agg(entry_id) AS entries FROM items) a
     CROSS JOIN LATERAL dlo_items_look(a.project_id, a.items, a.drawers, a.entries, a.anew) l
      JOIN items i ON i.item = l.item),
seen AS MATERIALIZED (
    SELECT k.number, k.project_id, k.item, k.entry_id, k.delivery, k.drawer, k.webhook_id, k.shard, k.event_id, k.channel,
           k.reason, k.generation, k.payload_bytes, k.shaped, k.counted, nullif(k.url_id, 0) AS url_id,
           CASE WHEN k.original AND k.cause = 0 AND k.url_id IS NULL THEN 10 ELSE k.cause END::int2 AS cause
      FROM looked k),
moved AS MATERIALIZED (
    SELECT m.entry_id
      FROM (SELECT array_agg(project_id) AS projects, array_agg(drawer) AS drawers, array_agg(entry_id) AS entries,
                   array_agg(2::int2) AS states, array_agg(delivery) AS deliveries
              FROM seen WHERE cause = 0) a
     CROSS JOIN LATERAL dlo_entries_move(a.projects, a.drawers, a.entries, 1::int2, a.states, a.deliveries) m
     WHERE a.entries IS NOT NULL),
-- what was open when it was looked at and is not any more: somebody was faster
made AS MATERIALIZED (
    SELECT s.number, s.project_id, s.item, s.entry_id, s.delivery, s.drawer, s.webhook_id, s.shard, s.event_id, s.channel,
           s.reason, s.generation, s.payload_bytes, s.shaped, s.counted, s.url_id,
           CASE WHEN s.cause > 0 THEN s.cause WHEN m.entry_id IS NULL THEN 4 ELSE 0 END::int2 AS cause
      FROM seen s LEFT JOIN moved m ON m.entry_id = s.entry_id),
linked AS (
    INSERT INTO redrives (delivery_id, entry_id, entry_drawer, project_id, operation, item, webhook_id)
    SELECT delivery, entry_id, drawer, project_id, number, item, webhook_id FROM made WHERE cause = 0),
targeted AS (
    INSERT INTO redrive_targets (delivery_id, project_id, url_id)
    SELECT delivery, project_id, url_id FROM made WHERE cause = 0 AND url_id IS NOT NULL),
queued AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, entry_id, created_at, ready_at, shaped)
    SELECT shard, project_id, webhook_id, payload_bytes, drawer, 0, 2, generation + 1, delivery, event_id, entry_id,
           dlo_now(), dlo_now(), shaped
      FROM made WHERE cause = 0 ORDER BY item),
counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT m.project_id, m.webhook_id, coalesce(m.channel, ''), m.reason, s.state, sum(s.n)
      FROM made m, (VALUES (1::int2, -1), (2::int2, 1)) AS s(state, n)
     WHERE m.cause = 0 AND m.counted
     GROUP BY 1, 2, 3, 4, 5),
ended AS (
    INSERT INTO bulk_deltas (operation, outcome, n)
    SELECT e.number, 4, sum(e.n) FROM (
        SELECT number, dlo_item_end(number, item, 4::int2, cause, NULL, NULL, NULL) AS n
          FROM made WHERE cause > 0 OFFSET 0) e
     GROUP BY 1)
SELECT count(*), count(*) FILTER (WHERE cause = 0), dlo_operation_refund($1::uuid, count(*) FILTER (WHERE cause > 0)) FROM made
