-- name: operation_probe
-- params: $1 operation uuid
-- returns: of the probe's stage: items sent int8, of which succeeded int8, failed int8 (a first attempt that failed counts,
--          and so does what a circuit holds); what the last of them failed with text
-- locks: none
-- called by: maintainer, when a stage has been fed whole
SELECT count(*) FILTER (WHERE i.outcome IN (0, 1, 2)), count(*) FILTER (WHERE i.outcome = 1),
       count(*) FILTER (WHERE i.outcome = 2 OR x.troubled),
       (SELECT d.last_error FROM bulk_items f JOIN dead_letters d
            ON d.project_id = o.project_id AND d.id = f.made_id AND d.drawer = f.made_drawer
         WHERE f.operation = o.number AND f.outcome = 2 ORDER BY f.item DESC LIMIT 1)
  FROM bulk_operations o
  JOIN bulk_items i ON i.operation = o.number AND i.item > o.probe_from AND i.item <= o.probe_from + o.probe_size
  LEFT JOIN LATERAL (
    SELECT EXISTS (SELECT FROM later l WHERE l.project_id = o.project_id AND l.delivery_id = r.delivery_id)
           OR EXISTS (SELECT FROM ready h JOIN breakers b ON b.webhook_id = h.webhook_id AND b.state = 1
                       WHERE h.project_id = o.project_id AND h.delivery_id = r.delivery_id) AS troubled
      FROM redrives r WHERE i.outcome = 0 AND r.operation = o.number AND r.item = i.item) x ON true
 WHERE o.id = $1::uuid
 GROUP BY o.number, o.project_id
