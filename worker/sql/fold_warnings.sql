-- name: fold_warnings
-- params: none
-- returns: deltas folded int8
-- locks: the deltas it deletes, the rows it adds to; only the one active maintainer runs it
-- called by: maintainer, every second. A type and channel beyond a project's first 1,000 is counted as type ''.
WITH gone AS MATERIALIZED (
    DELETE FROM warning_deltas WHERE id <= (SELECT max(x.id) FROM (SELECT id FROM warning_deltas ORDER BY id LIMIT 20000) x)
    RETURNING *),
sums AS MATERIALIZED (
    SELECT project_id, event_type, channel, count(*) AS n, min(at) AS first_at, max(at) AS last_at
      FROM gone GROUP BY 1, 2, 3),
ranked AS MATERIALIZED (
    SELECT s.*, k.known,
           row_number() OVER (PARTITION BY s.project_id, k.known ORDER BY s.first_at, s.event_type, s.channel)
           + (SELECT count(*) FROM config_warnings w WHERE w.project_id = s.project_id) AS i
      FROM sums s
     CROSS JOIN LATERAL (SELECT EXISTS (
                SELECT FROM config_warnings w WHERE w.project_id = s.project_id AND w.event_type = s.event_type
                   AND w.channel = s.channel) AS known) k),
added AS (
    INSERT INTO config_warnings AS w (project_id, event_type, channel, n, first_seen_at, last_seen_at)
    SELECT r.project_id, CASE WHEN r.known OR r.i <= 1000 THEN r.event_type ELSE '' END,
           CASE WHEN r.known OR r.i <= 1000 THEN r.channel ELSE '' END, sum(r.n), min(r.first_at), max(r.last_at)
      FROM ranked r GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (project_id, event_type, channel) DO UPDATE
       SET n = w.n + excluded.n, last_seen_at = greatest(w.last_seen_at, excluded.last_seen_at))
SELECT count(*) FROM gone
