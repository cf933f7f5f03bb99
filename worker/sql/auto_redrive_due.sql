-- name: auto_redrive_due
-- params: $1 webhook int4, $2 recovered text, $3 reasons int2[], $4 generation from which on nothing is re-driven int4
-- returns: one row if there was an outage since the last operation, and none since the recovery
-- locks: none
-- called by: maintainer, when the last operation was paused by its probe: is it time for another one?
SELECT 1 FROM dlo_auto_outage($1::int4, $3::int2[], $4::int4) o
 WHERE o.last_at > o.planned_at AND o.last_at <= $2::timestamptz
