-- name: entry_purge
--
-- Erases an entry and leaves its tombstone: who, when, why. Counts and audit are in the same statement; nothing happens if it
-- is in a state that cannot be purged. Locks: the entry. Called by DELETE /v1/dlq/{id}.
--
-- $1 project  $2 entry  $3 its drawer  $4 reason or NULL  $5 actor  $6 id as shown  $7 request id
-- => one row if it happened
WITH done AS MATERIALIZED (
    SELECT m.* FROM dlo_items_settle(4::smallint, $1::integer, ARRAY[1], ARRAY[$3::integer], ARRAY[$2::uuid], $5::text, $4::text) m
     WHERE m.cause = 0
), counts AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT $1, d.webhook_id, coalesce(d.channel, ''), d.reason, s.state, s.n
      FROM done d CROSS JOIN LATERAL (VALUES (d.from_state, -1), (d.to_state, 1)) AS s(state, n)
     WHERE d.counted
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $5, 'dlq.purge', $6, jsonb_strip_nulls(jsonb_build_object('reason', $4::text)), $7 FROM done
)
SELECT cause FROM done;
