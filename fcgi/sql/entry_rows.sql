-- name: entry_rows
--
-- Entries as they are listed. The inner select says which: what stands here finds one entry by its own id or its
-- delivery's, in whatever drawer (0.7 ms over 92 drawers once the plan is pinned: guessing the drawer first was
-- measured and saves half a millisecond). Lists put their own select between the two marks; it yields whole rows of
-- dead_letters, in order and limited. The joins are lateral with a limit so that they stay look-ups: the planner
-- cannot see that a named drawer leaves one partition of 92, and would hash the whole ledger, or read all webhooks to merge.
-- Lists name the drawers where it says so (entry_drawers.h). Takes no locks. Called by everything that shows entries.
--
-- $1 project  $2 entry or delivery id
-- => the columns of enum entry_column
SELECT d.id, d.drawer, d.delivery_id, d.event_id, d.external_id, w.public_id AS webhook_id, b.url, d.channel,
       d.event_type, d.customer_id, d.occurred_at, d.reason, d.permanent, d.intentional, d.last_error, d.last_status,
       d.attempt_count, d.first_attempt_at, d.last_attempt_at, d.created_at,
       d.created_at + make_interval(secs => p.retention_s) AS expires_at, d.state, d.updated_at,
       encode(d.fingerprint, 'hex') AS fingerprint, d.generation, d.replayed_as, d.decided_at, d.decided_by,
       d.decided_reason, w.deleted_at IS NOT NULL AS webhook_deleted, w.enabled,
       d.created_at <= dlo_now() - make_interval(secs => p.retention_s) AS expired
  FROM (
        /*<*/
        SELECT f.* FROM dead_letters f WHERE f.project_id = $1 AND f.id = $2
        UNION ALL
        SELECT f.* FROM dead_letters f WHERE f.project_id = $1 AND f.delivery_id = $2
        LIMIT 1
        /*>*/
       ) d
  JOIN projects p ON p.id = $1
  LEFT JOIN LATERAL (
        SELECT h.public_id, h.deleted_at, h.enabled FROM webhooks h
         WHERE h.project_id = $1 AND h.id = d.webhook_id
         LIMIT 1) w ON true
  LEFT JOIN LATERAL (
        SELECT o.url FROM dead_letter_bodies o
         WHERE o.project_id = $1 AND o.id = d.id AND o.drawer = d.drawer/*drawers*/
         LIMIT 1) b ON true
 ORDER BY d.created_at DESC, d.id DESC;
