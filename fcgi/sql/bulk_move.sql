-- name: bulk_move
--
-- Pauses, resumes or cancels an operation, with its audit row; nothing if it is not in the state it must come from.
-- Locks: the operation. Called by POST /v1/bulk-operations/{id}/pause, /resume and /cancel.
--
-- $1 project  $2 operation  $3 from state  $4 to state  $5 actor  $6 the word for the audit  $7 request id
-- => whether it happened
SELECT dlo_operation_move(o.id, $3::smallint, $4::smallint, NULL, $5::text, $6::text, $7::text) AS moved
  FROM bulk_operations o
 WHERE o.project_id = $1 AND o.id = $2;
