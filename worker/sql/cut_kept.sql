-- name: cut_kept
-- params: none
-- locks: the rows it deletes
-- called by: maintainer, every minute: what bounds the kept tables (docs/INTERNALS.md "Bounds")
WITH a AS (DELETE FROM idempotency_keys WHERE created_at < dlo_now() - interval '24 hours'),
     b AS (DELETE FROM sessions WHERE expires_at < dlo_now()),
     c AS (DELETE FROM sign_in_failures WHERE at < dlo_now() - interval '15 minutes'),
     d AS (DELETE FROM senders WHERE seen_at < clock_timestamp() - interval '1 hour'),
     e AS (DELETE FROM expired_counts WHERE day < dlo_day(dlo_now()) - 400),
     f AS (DELETE FROM trials WHERE created_at < dlo_now() - interval '1 hour'),
     -- what an entry may still ask for: it was made within a retention of its attempt, and is seen for another
     g AS (DELETE FROM redrive_targets t USING projects p
            WHERE p.id = t.project_id AND t.created_at < dlo_now() - make_interval(secs => 2 * p.retention_s)
              AND NOT EXISTS (SELECT FROM redrives r WHERE r.delivery_id = t.delivery_id)),
     i AS (DELETE FROM edits e USING projects p
            WHERE p.id = e.project_id AND e.created_at < dlo_now() - make_interval(secs => 2 * p.retention_s))
SELECT dlo_cut_audit(), dlo_cut_edits(),
       dlo_cut_urls(ARRAY(SELECT u.id FROM webhook_urls u JOIN projects p ON p.id = u.project_id
                           WHERE u.until < dlo_now() - make_interval(secs => 2 * p.retention_s)
                             AND NOT EXISTS (SELECT FROM redrive_targets t WHERE t.url_id = u.id)))
