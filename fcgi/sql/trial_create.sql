-- name: trial_create
-- params: $1 project int4, $2 webhook's public id uuid, $3 trial uuid, $4 transform text or NULL for the webhook's own,
--         $5 payload bytea
-- returns: no row if there is no such webhook; else whether there is a transform, whether a sender can run it, seconds
--          until the project may try again (0: now), whether the trial was stored. Trials made at the same instant do not
--          see each other: a few more than six a minute may pass.
-- locks: inserts only
-- called by: trials_create
WITH w AS (
    SELECT id, shard, coalesce($4::text, transform) AS transform FROM webhooks
     WHERE project_id = $1::int4 AND public_id = $2::uuid AND deleted_at IS NULL),
able AS (
    SELECT EXISTS (SELECT FROM senders WHERE seen_at > clock_timestamp() - interval '10 seconds' AND NOT leaving
                                         AND stats -> 'transforms' = 'true') AS yes),
recent AS (
    SELECT CASE WHEN count(*) < 6 THEN 0
                ELSE greatest(1, ceil(extract(epoch FROM min(created_at) + interval '1 minute' - dlo_now()))) END AS wait_s
      FROM (SELECT created_at FROM trials
             WHERE project_id = $1::int4 AND created_at > dlo_now() - interval '1 minute'
             ORDER BY created_at DESC LIMIT 6) t),
made AS (
    INSERT INTO trials (id, project_id, webhook_id, shard, transform, payload)
    SELECT $3::uuid, $1::int4, w.id, w.shard, w.transform, $5::bytea
      FROM w, able, recent WHERE w.transform IS NOT NULL AND able.yes AND recent.wait_s = 0
    RETURNING 1)
SELECT w.transform IS NOT NULL, able.yes, recent.wait_s::int4, EXISTS (SELECT FROM made) FROM w, able, recent
