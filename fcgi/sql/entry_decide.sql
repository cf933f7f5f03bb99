-- name: entry_decide
--
-- Discards an entry or takes a discarded one back: state, who, when, why, counts and audit, or nothing if the entry is
-- not in the state it must come from (or not visible any more). Two at once: the second waits for the row and finds
-- the state changed. An entry that has left the counts (projects.counted_from) moves nothing in them.
-- Locks: the entry. Called by POST /v1/dlq/{id}/discard and /restore.
--
-- $1 project  $2 entry  $3 its drawer  $4 from state  $5 to state  $6 reason, NULL: the decision is taken back
-- $7 actor  $8 action  $9 id as shown  $10 request id
-- => one row if it happened
WITH moved AS (
    UPDATE dead_letters d
       SET state = $5, updated_at = dlo_now(), decided_reason = $6,
           decided_at = CASE WHEN $6::text IS NOT NULL THEN dlo_now() END,
           decided_by = CASE WHEN $6::text IS NOT NULL THEN $7::text END
      FROM projects p
     WHERE d.project_id = $1 AND d.id = $2 AND d.drawer = $3 AND d.state = $4
       AND p.id = $1 AND d.created_at > dlo_now() - make_interval(secs => p.retention_s)
    RETURNING d.id, d.webhook_id, d.channel, d.reason, d.created_at > p.counted_from AS counted
), counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT $1, m.webhook_id, coalesce(m.channel, ''), m.reason, s.state, s.n
      FROM moved m, (VALUES ($4::smallint, -1), ($5::smallint, 1)) AS s(state, n)
     WHERE m.counted
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $7, $8, $9, jsonb_strip_nulls(jsonb_build_object('reason', $6::text)), $10 FROM moved
)
SELECT id FROM moved;
