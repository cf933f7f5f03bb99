-- name: group_rows
--
-- Groups by fingerprint, last seen first, from their counters; with one fingerprint given, that one. Counts of 1 h are to
-- within 5 minutes, of 24 h and 7 d to within an hour: a step that has begun before the window counts whole. The page is cut
-- before anything is looked up for its rows. Takes no locks. Called by GET /v1/dlq/groups and /v1/dlq/groups/{fp}.
--
-- $1 project  $2 most rows  $3 and $4 last seen and fingerprint of the row before, or NULL  $5 webhooks, public ids, or NULL
-- $6 statuses or NULL  $7 fingerprints or NULL  $8 reasons or NULL  $9 triage states or NULL
-- $10 whether those without open entries too
-- => the columns of enum group_column
SELECT encode(g.fingerprint, 'hex') AS fingerprint, g.fingerprint_version, w.public_id, g.reason, g.last_status,
       greatest(g.open, 0) AS open, g.total, g.first_seen_at, g.last_seen_at, b.hour, b.day, b.week, e.id, e.drawer,
       e.last_error, g.state, g.assignee, g.note, g.link, g.decided_at, g.decided_by, g.version,
       g.fingerprint = decode(repeat('00', 16), 'hex') AS other, dlo_now() AS counted_at
  FROM (SELECT * FROM dlq_groups r
         WHERE r.project_id = $1
           AND ($3::timestamptz IS NULL OR r.last_seen_at <= $3::timestamptz)
           AND ($3::timestamptz IS NULL OR r.last_seen_at < $3::timestamptz OR r.fingerprint > $4::bytea)
           AND ($5::uuid[] IS NULL
                OR r.webhook_id IN (SELECT h.id FROM webhooks h WHERE h.project_id = $1 AND h.public_id = ANY ($5::uuid[])))
           AND ($6::smallint[] IS NULL OR r.last_status = ANY ($6::smallint[]))
           AND ($7::bytea[] IS NULL OR r.fingerprint = ANY ($7::bytea[]))
           AND ($8::smallint[] IS NULL OR r.reason = ANY ($8::smallint[]))
           AND ($9::text[] IS NULL OR r.state = ANY ($9::text[]))
           AND ($10::boolean OR r.open > 0)
         ORDER BY r.last_seen_at DESC, r.fingerprint
         LIMIT $2) g
  LEFT JOIN webhooks w ON w.project_id = $1 AND w.id = g.webhook_id
  LEFT JOIN LATERAL (
        SELECT o.id, o.drawer, o.last_error FROM dead_letters o
         WHERE o.project_id = $1 AND o.id = g.entry_id AND o.drawer = g.entry_drawer/*drawers*/
         LIMIT 1) e ON true
 CROSS JOIN LATERAL (
        SELECT coalesce(sum(s.n) FILTER (WHERE s.minutes = 5 AND s.at > (SELECT dlo_now() - interval '65 minutes')), 0) AS hour,
               coalesce(sum(s.n) FILTER (WHERE s.minutes = 60 AND s.at > (SELECT dlo_now() - interval '25 hours')), 0) AS day,
               coalesce(sum(s.n) FILTER (WHERE s.minutes = 60 AND s.at > (SELECT dlo_now() - interval '169 hours')), 0) AS week
          FROM group_buckets s WHERE s.project_id = $1 AND s.fingerprint = g.fingerprint) b
 ORDER BY g.last_seen_at DESC, g.fingerprint;
