-- name: overdue_holds
-- params: $1 shards int2[], $2 webhooks int4[], $3 hold budgets in seconds int4[]
-- returns: rows that were held longer than their webhook's budget, oldest first, at most 200 a lane and 500 in all
-- locks: none
-- called by: sender, every second for destinations that are paused, disabled, deleted (budget 0) or behind an open
--            circuit. What it returns ends as an entry through the ordinary completion.
SELECT r.shard, r.pos, r.webhook_id, r.project_id, r.payload_bytes, r.source_drawer, r.tries, r.class, r.generation,
       r.delivery_id, r.event_id,
       coalesce(r.entry_id, CASE WHEN r.class = 2 THEN (
           SELECT x.entry_id FROM redrives x WHERE x.delivery_id = r.delivery_id) END), -- of an edited one: see heads.sql
       r.shaped,
       -- news of our own end without an entry
       (SELECT e.channel FROM events e
         WHERE r.entry_id IS NULL AND e.project_id = r.project_id AND e.id = r.event_id AND e.drawer = r.source_drawer),
       CASE WHEN r.class = 2 THEN (SELECT u.url FROM redrive_targets t JOIN webhook_urls u ON u.id = t.url_id
                                    WHERE t.delivery_id = r.delivery_id) END
  FROM unnest($1::int2[], $2::int4[], $3::int4[]) w(shard, webhook_id, budget_s)
 CROSS JOIN (VALUES (0::int2), (1::int2), (2::int2)) c(class)
 CROSS JOIN LATERAL (SELECT * FROM ready q WHERE q.shard = w.shard AND q.webhook_id = w.webhook_id AND q.class = c.class
                      ORDER BY q.pos LIMIT 200) r
 WHERE r.ready_at <= dlo_now() - make_interval(secs => w.budget_s)
 LIMIT 500
