-- name: operations_active
-- params: $1 days after which an operation ends int4
-- returns: id uuid, kind, state, whether its time has come bool, whether its days are over bool, total, started (fed), under
--          way, failed, probe's size (0: none), whether the probe's stage is to be judged bool (it has been fed whole, or a
--          circuit that is not closed may keep it from that), whether it has lanes bool, what its rate leaves int8
-- locks: none
-- called by: maintainer, twenty times a second: the operations that have not ended
SELECT o.id, o.kind, o.state, o.start_at <= dlo_now() AS due,
       o.created_at <= dlo_now() - make_interval(days => $1::int4) AND o.start_at <= dlo_now() - make_interval(days => $1::int4)
           AS over,
       o.total, o.fed, o.fed - o.ended AS under_way, o.failed, o.probe_size,
       o.probe_size > 0 AND (o.fed >= least(o.probe_from + o.probe_size, o.total)
           OR EXISTS (SELECT FROM breakers k WHERE k.webhook_id = o.webhook_id)
           OR EXISTS (SELECT FROM bulk_lanes l JOIN breakers k ON k.webhook_id = l.webhook_id
                       WHERE l.operation = o.number AND l.next <= l.last)) AS stage_fed,
       EXISTS (SELECT FROM bulk_lanes l WHERE l.operation = o.number) AS lanes,
       CASE WHEN o.state <= 2 THEN floor(dlo_operation_pace(b))::int8 END AS pace
  FROM operations o JOIN bulk_operations b ON b.id = o.id
 WHERE o.state <= 4
 ORDER BY o.id
