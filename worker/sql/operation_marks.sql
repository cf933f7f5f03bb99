-- name: operation_marks
-- params: none
-- locks: the operations that have not ended
-- called by: maintainer, every five seconds: how many items had ended, for the rate that is shown
UPDATE bulk_operations o
   SET prev_at = o.mark_at, prev_done = o.mark_done, mark_at = clock_timestamp(),
       mark_done = o.succeeded + o.failed + o.cancelled + o.skipped
 WHERE o.state <= 4
