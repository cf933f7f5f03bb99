-- name: entry_body
--
-- The wide half of one entry. Takes no locks. Called by GET /v1/dlq/{id} and /v1/dlq/{id}/payload.
--
-- $1 project  $2 entry  $3 its drawer  $4 whether the payload is wanted
-- => routing_key, metadata, bytes, sha256 hex, payload (NULL if not wanted), bytes and sha256 of what was sent (NULL: the
--    payload itself, or nothing was sent)
SELECT b.routing_key, b.metadata, octet_length(b.payload) AS bytes, encode(sha256(b.payload), 'hex') AS sha256,
       CASE WHEN $4::boolean THEN b.payload END AS payload,
       octet_length(b.dispatched) AS sent_bytes, encode(sha256(b.dispatched), 'hex') AS sent_sha256
  FROM dead_letter_bodies b
 WHERE b.project_id = $1 AND b.id = $2 AND b.drawer = $3;
