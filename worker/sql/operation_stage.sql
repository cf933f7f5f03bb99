-- name: operation_stage
-- params: $1 operation uuid, $2 size of the stage that is over int4, $3 of the next one int4
-- locks: the operation
-- called by: maintainer, when a stage of a probe went well. Run twice it does nothing.
UPDATE bulk_operations o
   SET probe_from = o.fed, probe_size = $3::int4
 WHERE o.id = $1::uuid AND o.state = 2 AND o.probe_size = $2::int4 AND o.fed = o.probe_from + $2::int4
