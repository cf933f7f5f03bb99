-- name: circuits_save
-- params: $1 owner uuid, then one array per column of a breaker: $2 webhook int4, $3 state int2 (0 closed: the row goes),
--         $4 ms until the probing begins int8, $5 cool-down ms int8, $6 failures int4, $7 requests int4,
--         $8 deliveries that opened it, as the text of an array, text
-- returns: how many of them were still this sender's to write
-- locks: the breakers' rows
-- called by: sender, when breakers have changed. A notice is written when a circuit opens from closed, and when it closes;
--            of a webhook that was deleted nothing is written.
WITH mine AS MATERIALIZED (
    SELECT w.id, w.project_id, w.shard, p.listens, c.*
      FROM unnest($2::int4[], $3::int2[], $4::int8[], $5::int8[], $6::int4[], $7::int4[], $8::text[])
           c(webhook_id, state, left_ms, cooldown_ms, failures, requests, tripped_by)
     CROSS JOIN LATERAL (SELECT v.id, v.project_id, v.shard FROM webhooks v
                          WHERE v.id = c.webhook_id AND v.deleted_at IS NULL LIMIT 1) w
      JOIN shard_leases l ON l.shard = w.shard AND l.owner = $1::uuid AND l.expires_at > clock_timestamp()
      JOIN projects p ON p.id = w.project_id),
before AS (SELECT b.webhook_id FROM breakers b WHERE b.webhook_id = ANY ($2::int4[])),
gone AS (
    DELETE FROM breakers b WHERE b.webhook_id = ANY (ARRAY(SELECT id FROM mine WHERE state = 0)) RETURNING b.webhook_id),
kept AS (
    INSERT INTO breakers AS b (webhook_id, project_id, shard, state, opened_at, next_probe_at, cooldown_s, failures,
                               requests, tripped_by)
    SELECT id, project_id, shard, state, dlo_now(), dlo_now() + make_interval(secs => left_ms / 1e3),
           ceil(cooldown_ms / 1e3), failures, requests, tripped_by::uuid[]
      FROM mine WHERE state <> 0
    ON CONFLICT (webhook_id) DO UPDATE SET state = excluded.state, next_probe_at = excluded.next_probe_at,
        cooldown_s = excluded.cooldown_s),
told AS (
    INSERT INTO notices (project_id, type, webhook_id, detail)
    SELECT project_id, CASE state WHEN 0 THEN 'webhook.circuit.closed' ELSE 'webhook.circuit.opened' END, id,
           jsonb_build_object('failures', failures, 'requests', requests, 'cooldownSeconds', ceil(cooldown_ms / 1e3))
           || CASE state WHEN 0 THEN '{}' ELSE jsonb_build_object('trippedBy', (
                  SELECT coalesce(jsonb_agg(dlo_id('dlv', t.id) ORDER BY t.n), '[]')
                    FROM unnest(tripped_by::uuid[]) WITH ORDINALITY t(id, n))) END
      FROM mine
     WHERE listens AND ((state = 1 AND id NOT IN (SELECT webhook_id FROM before))
                        OR (state = 0 AND id IN (SELECT webhook_id FROM gone))))
SELECT count(*) FROM mine
