-- name: export_bodies
--
-- The wide halves of a chunk of entries, in the order given. Payloads are read until they come to so many bytes: the rows
-- after that are not taken, and the caller begins its next chunk with them. The table is replaced for the system scope.
-- Takes no locks. Called by GET /v1/dlq/export.
--
-- $1 project  $2 entries  $3 their drawers  $4 whether payloads are wanted  $5 most bytes of them  $6 text the payload must
-- contain, or NULL
-- => taken, whether the text is there, routing key, metadata, bytes, sha256 hex, payload base64 (NULL if not wanted)
SELECT t.before < $5::bigint AS taken, t.found, t.routing_key, t.metadata, t.bytes,
       CASE WHEN t.before < $5::bigint AND $4::boolean THEN encode(sha256(t.payload), 'hex') END AS sha256,
       CASE WHEN t.before < $5::bigint AND $4::boolean
            THEN translate(encode(t.payload, 'base64'), E'\n', '') END AS payload
  FROM (SELECT k.n, b.*, coalesce(sum(CASE WHEN $4::boolean THEN b.bytes ELSE 0 END)
                                      OVER (ORDER BY k.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
          FROM unnest($2::uuid[], $3::integer[]) WITH ORDINALITY AS k(id, drawer, n)
          LEFT JOIN LATERAL (
                SELECT o.routing_key, o.metadata, o.payload, octet_length(o.payload) AS bytes,
                       $6::bytea IS NULL OR position($6::bytea IN o.payload) > 0 AS found
                  FROM /*<*/dead_letter_bodies/*>*/ o
                 WHERE o.project_id = $1 AND o.id = k.id AND o.drawer = k.drawer/*drawers*/
                 LIMIT 1) b ON true) t
 ORDER BY t.n;
