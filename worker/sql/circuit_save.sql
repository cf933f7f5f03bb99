-- name: circuit_save
-- params: $1 owner uuid, $2 webhook int4, $3 state int2 (0 closed: the row goes), $4 ms until the probing begins int8,
--         $5 cool-down ms int8, $6 failures int4, $7 requests int4, $8 deliveries that tripped it uuid[]
-- returns: one row: whether the webhook's shard is still this sender's
-- locks: the breaker's row
-- called by: sender, when a breaker has changed. A notice is written when the circuit opens from closed, and when it closes.
WITH mine AS (
    SELECT w.id, w.project_id, w.shard, w.public_id, p.listens
      FROM webhooks w JOIN shard_leases l ON l.shard = w.shard JOIN projects p ON p.id = w.project_id
     WHERE w.id = $2::int4 AND l.owner = $1::uuid AND l.expires_at > clock_timestamp()),
before AS (SELECT b.state FROM breakers b WHERE b.webhook_id = $2::int4),
gone AS (DELETE FROM breakers b USING mine WHERE b.webhook_id = mine.id AND $3::int2 = 0),
kept AS (
    INSERT INTO breakers AS b (webhook_id, project_id, shard, state, opened_at, next_probe_at, cooldown_s, failures,
                               requests, tripped_by)
    SELECT id, project_id, shard, $3::int2, dlo_now(), dlo_now() + make_interval(secs => $4::int8 / 1e3),
           ceil($5::int8 / 1e3), $6::int4, $7::int4, $8::uuid[]
      FROM mine WHERE $3::int2 <> 0
    ON CONFLICT (webhook_id) DO UPDATE SET state = excluded.state, next_probe_at = excluded.next_probe_at,
        cooldown_s = excluded.cooldown_s, tripped_by = excluded.tripped_by),
told AS (
    INSERT INTO notices (project_id, type, webhook_id, detail)
    SELECT project_id, CASE $3::int2 WHEN 0 THEN 'webhook.circuit.closed' ELSE 'webhook.circuit.opened' END, id,
           jsonb_build_object('failures', $6::int4, 'requests', $7::int4, 'cooldownSeconds', ceil($5::int8 / 1e3))
      FROM mine
     WHERE listens AND (($3::int2 = 1 AND NOT EXISTS (SELECT FROM before)) OR ($3::int2 = 0 AND EXISTS (SELECT FROM before))))
SELECT EXISTS (SELECT FROM mine)
