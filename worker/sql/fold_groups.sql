-- name: fold_groups
-- params: none
-- returns: deltas folded int8
-- locks: the deltas it deletes, the rows it adds to; only the one active maintainer runs it
-- called by: maintainer, every second. A fingerprint without a row gets one while its project has fewer than 1,000 groups with
--            open entries; else it is counted in "other" (sixteen zero bytes), and so is everything without a row until
--            other is empty again: what was counted there must be taken off there. A group that somebody resolved opens
--            again when a newer entry comes, and the audit says so.
WITH gone AS MATERIALIZED (
    DELETE FROM group_deltas WHERE id <= (SELECT max(x.id) FROM (SELECT id FROM group_deltas ORDER BY id LIMIT 20000) x)
    RETURNING *),
sums AS MATERIALIZED (
    SELECT project_id, fingerprint, sum(open) AS open, sum(born) AS born, min(at) AS first_at, max(at) AS last_at
      FROM gone GROUP BY 1, 2),
newest AS MATERIALIZED (
    SELECT DISTINCT ON (project_id, fingerprint) project_id, fingerprint, fingerprint_version, webhook_id, reason,
           last_status, entry_id, entry_drawer
      FROM gone WHERE born > 0 ORDER BY project_id, fingerprint, at DESC, id DESC),
known AS MATERIALIZED (
    SELECT s.project_id, s.fingerprint, EXISTS (
               SELECT FROM dlq_groups g WHERE g.project_id = s.project_id AND g.fingerprint = s.fingerprint) AS known
      FROM sums s),
room AS MATERIALIZED (
    SELECT k.project_id, CASE WHEN EXISTS (SELECT FROM dlq_groups g WHERE g.project_id = k.project_id AND g.open > 0
                                              AND g.fingerprint = decode(repeat('00', 16), 'hex')) THEN 0
                              ELSE 1000 - (SELECT count(*) FROM dlq_groups g
                                            WHERE g.project_id = k.project_id AND g.open > 0) END AS room
      FROM (SELECT DISTINCT project_id FROM known WHERE NOT known) k),
fresh AS MATERIALIZED (
    SELECT s.project_id, s.fingerprint,
           row_number() OVER (PARTITION BY s.project_id ORDER BY s.first_at, s.fingerprint) AS i
      FROM sums s JOIN known k ON k.project_id = s.project_id AND k.fingerprint = s.fingerprint AND NOT k.known
     WHERE s.born > 0),
placed AS MATERIALIZED (
    SELECT k.project_id, k.fingerprint,
           CASE WHEN k.known OR f.i <= r.room THEN k.fingerprint ELSE decode(repeat('00', 16), 'hex') END AS place
      FROM known k
      LEFT JOIN fresh f ON f.project_id = k.project_id AND f.fingerprint = k.fingerprint
      LEFT JOIN room r ON r.project_id = k.project_id),
totals AS MATERIALIZED (
    SELECT p.project_id, p.place, sum(s.open) AS open, sum(s.born) AS born, min(s.first_at) AS first_at,
           max(s.last_at) AS last_at
      FROM placed p JOIN sums s ON s.project_id = p.project_id AND s.fingerprint = p.fingerprint
     GROUP BY 1, 2),
reopened AS MATERIALIZED (
    SELECT g.project_id, g.fingerprint FROM totals t
      JOIN dlq_groups g ON g.project_id = t.project_id AND g.fingerprint = t.place
     WHERE g.state = 'resolved' AND t.last_at > g.resolved_at),
groups AS (
    INSERT INTO dlq_groups AS g (project_id, fingerprint, fingerprint_version, webhook_id, reason, last_status, open, total,
                                 first_seen_at, last_seen_at, entry_id, entry_drawer)
    SELECT t.project_id, t.place, n.fingerprint_version, n.webhook_id, n.reason, n.last_status, t.open, t.born,
           coalesce(t.first_at, dlo_now()), coalesce(t.last_at, dlo_now()), n.entry_id, n.entry_drawer
      FROM totals t LEFT JOIN newest n ON n.project_id = t.project_id AND n.fingerprint = t.place
     ORDER BY t.project_id, t.place
    ON CONFLICT (project_id, fingerprint) DO UPDATE
       SET open = g.open + excluded.open, total = g.total + excluded.total,
           first_seen_at = least(g.first_seen_at, CASE WHEN excluded.total > 0 THEN excluded.first_seen_at END),
           last_seen_at = greatest(g.last_seen_at, CASE WHEN excluded.total > 0 THEN excluded.last_seen_at END),
           fingerprint_version = coalesce(excluded.fingerprint_version, g.fingerprint_version),
           reason = coalesce(excluded.reason, g.reason), last_status = coalesce(excluded.last_status, g.last_status),
           entry_id = coalesce(excluded.entry_id, g.entry_id),
           entry_drawer = coalesce(excluded.entry_drawer, g.entry_drawer),
           state = CASE WHEN g.state = 'resolved' AND excluded.total > 0 AND excluded.last_seen_at > g.resolved_at
                        THEN 'open' ELSE g.state END,
           version = g.version + CASE WHEN g.state = 'resolved' AND excluded.total > 0
                                       AND excluded.last_seen_at > g.resolved_at THEN 1 ELSE 0 END),
audit AS (
    INSERT INTO audit_log (project_id, actor, action, object)
    SELECT project_id, 'worker', 'group.reopen', encode(fingerprint, 'hex') FROM reopened),
steps AS (
    INSERT INTO group_buckets AS b (project_id, fingerprint, minutes, at, n)
    SELECT d.project_id, p.place, w.minutes, date_bin(make_interval(mins => w.minutes), d.at, '2000-01-01Z'), sum(d.born)
      FROM gone d JOIN placed p ON p.project_id = d.project_id AND p.fingerprint = d.fingerprint,
           (VALUES (5::smallint, interval '65 minutes'), (60::smallint, interval '8 days')) w(minutes, kept)
     WHERE d.born > 0 AND d.at > (SELECT dlo_now()) - w.kept
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (project_id, fingerprint, minutes, at) DO UPDATE SET n = b.n + excluded.n),
stats AS (
    INSERT INTO dlq_stats AS s (project_id, at, webhook_id, reason, n)
    SELECT project_id, date_bin('1 hour', at, '2000-01-01Z'), webhook_id, reason, sum(born) FROM gone WHERE born > 0
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (project_id, at, webhook_id, reason) DO UPDATE SET n = s.n + excluded.n)
SELECT count(*) FROM gone
