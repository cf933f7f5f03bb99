-- name: bulk_rate
--
-- Another rate for an operation that has not ended; its next step goes by it. Locks: the operation. Called by
-- PATCH /v1/bulk-operations/{id}.
--
-- $1 project  $2 operation  $3 items a second or NULL  $4 actor  $5 id as shown  $6 request id
-- => one row if it happened
WITH changed AS (
    UPDATE bulk_operations o SET rate = $3::real
     WHERE o.project_id = $1 AND o.id = $2 AND o.state <= 4
    RETURNING o.id
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $4, 'operation.rate', $5, jsonb_build_object('ratePerSecond', $3::real), $6 FROM changed
)
SELECT id FROM changed;
