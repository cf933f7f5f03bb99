-- name: cut_groups
-- params: none
-- returns: groups that were cut int8
-- locks: the rows it deletes
-- called by: maintainer, every minute: what bounds groups, their steps, the statistics, warnings, what is known of drawers.
--            Of groups without open entries a project keeps the 500 that were seen last.
WITH steps AS (
    DELETE FROM group_buckets WHERE (minutes = 5 AND at < dlo_now() - interval '70 minutes')
                                 OR (minutes = 60 AND at < dlo_now() - interval '8 days')),
stats AS (DELETE FROM dlq_stats WHERE at < dlo_now() - interval '400 days'),
hours AS (DELETE FROM dlq_hours WHERE at < dlo_now() - interval '400 days'),
warnings AS (
    DELETE FROM config_warnings w USING projects p
     WHERE p.id = w.project_id AND w.last_seen_at < dlo_now() - make_interval(secs => p.retention_s)),
emptied AS (
    DELETE FROM dlq_drawers x WHERE NOT EXISTS (SELECT FROM drawers v WHERE v.drawer = x.drawer)),
closed AS (
    SELECT project_id, fingerprint, row_number() OVER (PARTITION BY project_id ORDER BY last_seen_at DESC) AS i
      FROM dlq_groups WHERE open <= 0),
cut AS (
    DELETE FROM dlq_groups g USING closed c
     WHERE g.project_id = c.project_id AND g.fingerprint = c.fingerprint AND g.open <= 0 AND c.i > 500
    RETURNING 1)
SELECT count(*) FROM cut
