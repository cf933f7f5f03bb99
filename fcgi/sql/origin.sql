-- name: origin
--
-- What an event was edited from, and whether a delivery was a re-drive to a former URL of its webhook.
-- Takes no locks. Called by GET /v1/events/{id}, /v1/deliveries/{id} and /v1/dlq/{id}.
--
-- $1 project  $2 event  $3 delivery or NULL
-- => entry and event that it was edited from (NULL: it was not), whether to a former URL
SELECT e.entry_id, e.from_event_id,
       EXISTS (SELECT FROM redrive_targets t WHERE t.project_id = $1 AND t.delivery_id = $3::uuid) AS original
  FROM (VALUES (1)) one LEFT JOIN edits e ON e.project_id = $1 AND e.event_id = $2::uuid;
