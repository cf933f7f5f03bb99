-- name: config_warnings
--
-- Types and channels that no webhook took, those seen last first; at most a thousand. With each, how many of the newest 10,000
-- events of the system scope are its: when somebody has routed them all the warning is over, and is left out.
-- Takes no locks. Called by GET /v1/config-warnings.
--
-- $1 project  $2 rows passed over  $3 most rows
-- => the columns of enum warning_column
WITH open AS MATERIALIZED (
    SELECT e.event_type, coalesce(e.channel, '') AS channel, count(*) AS n
      FROM (SELECT s.event_type, s.channel FROM system_entries s
             WHERE s.project_id = $1
               AND s.created_at > (SELECT dlo_now() - make_interval(secs => p.retention_s) FROM projects p WHERE p.id = $1)
             ORDER BY s.created_at DESC, s.id DESC
             LIMIT 10000) e
     GROUP BY 1, 2
)
SELECT nullif(w.event_type, ''), nullif(w.channel, ''), w.n, coalesce(o.n, 0) AS open, w.first_seen_at, w.last_seen_at,
       w.event_type = '' AS other
  FROM config_warnings w
  LEFT JOIN open o ON o.event_type = w.event_type AND o.channel = w.channel
 WHERE w.project_id = $1
   AND (o.n > 0 OR w.event_type = '' OR (SELECT sum(n) FROM open) >= 10000)
 ORDER BY w.last_seen_at DESC, w.event_type, w.channel
OFFSET $2 LIMIT $3;
