-- name: dlq_sweep
-- params: $1 project int4
-- returns: entries that left the counts int8 (negative: a plan grew and they came back)
-- locks: the project's row
-- called by: maintainer, every second for each project that has counts. counted_from divides the entries that are in
--            the counts from those that have expired; it follows dlo_now() - retention, in both directions.
WITH p AS (
    -- a minute behind: whoever changes an entry's state as it expires has committed by then (entry_count.sql makes up
    -- for the lag, so totals are exact all the same)
    SELECT id, counted_from AS old, dlo_now() - make_interval(secs => retention_s + 60) AS new
      FROM projects WHERE id = $1::int4 FOR UPDATE),
crossed AS (
    SELECT d.project_id, d.webhook_id, coalesce(d.channel, '') AS channel, d.reason, d.state,
           d.fingerprint, count(*) * CASE WHEN p.new >= p.old THEN -1 ELSE 1 END AS n
      FROM p JOIN dead_letters d ON d.project_id = p.id
       AND d.created_at > least(p.old, p.new) AND d.created_at <= greatest(p.old, p.new)
     GROUP BY d.project_id, d.webhook_id, coalesce(d.channel, ''), d.reason, d.state, d.fingerprint,
              p.new >= p.old),
counted AS (
    INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
    SELECT project_id, webhook_id, channel, reason, state, sum(n) FROM crossed GROUP BY 1, 2, 3, 4, 5),
grouped AS (
    INSERT INTO group_deltas (project_id, fingerprint, open)
    SELECT project_id, fingerprint, sum(n) FROM crossed WHERE state = 1 GROUP BY 1, 2),
left_by_expiry AS (
    INSERT INTO expired_counts AS x (project_id, day, n)
    SELECT project_id, dlo_day(dlo_now()), -sum(n) FROM crossed WHERE state IN (1, 2) GROUP BY 1
    ON CONFLICT (project_id, day) DO UPDATE SET n = x.n + excluded.n),
moved AS (
    UPDATE projects SET counted_from = p.new FROM p WHERE projects.id = p.id AND p.new <> p.old)
SELECT coalesce(-sum(n), 0)::int8 FROM crossed
