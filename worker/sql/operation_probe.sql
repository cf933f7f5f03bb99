-- name: operation_probe
-- params: $1 operation uuid
-- returns: of the probe's stage: items sent int8, of which succeeded int8, failed int8 (a first attempt that failed counts,
--          and so does what a circuit holds); what the last of them failed with text
-- locks: none
-- called by: maintainer, when a stage has been fed whole, or a circuit keeps it from that: at once if all of it has ended,
--            else once a second. Whatever the plan was made on, each item is looked up by itself: hence each LIMIT 1
SELECT count(*) FILTER (WHERE i.outcome IN (0, 1, 2)), count(*) FILTER (WHERE i.outcome = 1),
       count(*) FILTER (WHERE i.outcome = 2 OR x.troubled),
       (SELECT d.last_error
          FROM (SELECT b.made_id, b.made_drawer FROM bulk_items b
                 WHERE b.operation = o.number AND b.outcome = 2 ORDER BY b.item DESC LIMIT 1) f
         CROSS JOIN LATERAL (
            SELECT e.last_error FROM dead_letters e
             WHERE e.project_id = o.project_id AND e.id = f.made_id AND e.drawer = f.made_drawer LIMIT 1) d)
  FROM bulk_operations o
  CROSS JOIN LATERAL (
    SELECT b.item, b.outcome FROM bulk_items b
     WHERE b.operation = o.number AND b.item > o.probe_from AND b.item <= least(o.probe_from + o.probe_size, o.fed)
       AND NOT EXISTS (SELECT FROM bulk_lanes l WHERE l.operation = o.number)
    UNION ALL
    SELECT b.item, b.outcome
      FROM bulk_lanes l CROSS JOIN LATERAL (
        SELECT n.item, n.outcome FROM bulk_items n
         WHERE n.operation = o.number AND n.item >= l.stage_at AND n.item < l.next ORDER BY n.item OFFSET 0) b
     WHERE l.operation = o.number AND l.stage = o.probe_from) i
  LEFT JOIN LATERAL (
    SELECT EXISTS (SELECT FROM later l WHERE l.project_id = o.project_id AND l.delivery_id = r.delivery_id)
           OR EXISTS (SELECT FROM ready h JOIN breakers b ON b.webhook_id = h.webhook_id AND b.state = 1
                       WHERE h.project_id = o.project_id AND h.delivery_id = r.delivery_id) AS troubled
      FROM redrives r WHERE i.outcome = 0 AND r.operation = o.number AND r.item = i.item LIMIT 1) x ON true
 WHERE o.id = $1::uuid
 GROUP BY o.number, o.project_id
