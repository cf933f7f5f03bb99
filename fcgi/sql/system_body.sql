-- name: system_body
--
-- The wide half of one entry of the system scope, which is its event. Takes no locks. Called by GET /v1/dlq/{id} and
-- /v1/dlq/{id}/payload.
--
-- $1 project  $2 entry  $3 its drawer  $4 whether the payload is wanted
-- => the columns of entry_body
SELECT e.routing_key, e.metadata, octet_length(e.payload) AS bytes, encode(sha256(e.payload), 'hex') AS sha256,
       CASE WHEN $4::boolean THEN e.payload END AS payload, NULL::integer AS sent_bytes, NULL::text AS sent_sha256
  FROM events e
 WHERE e.project_id = $1 AND e.id = $2 AND e.drawer = $3 AND e.fanout = 0;
