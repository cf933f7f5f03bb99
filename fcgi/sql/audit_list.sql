-- name: audit_list
-- params: $1 int project, $2 int limit, $3 bigint id of the last row shown (NULL: first page), $4 $5 timestamptz from and
--         to, $6 text actors, $7 text actions, $8 text objects, each split at commas; NULL: any, $9 bool whether payloads
--         may be shown
-- locks: none
-- called by: audit.c
-- Both payloads of an edit are taken out without that permission, and from where a page would hold 4 MiB of them.
WITH page AS (
    SELECT l.*
      FROM audit_log l
     WHERE l.project_id = $1::integer
       AND ($3::bigint IS NULL OR l.id < $3::bigint)
       AND ($4::timestamptz IS NULL OR l.at >= $4::timestamptz)
       AND ($5::timestamptz IS NULL OR l.at < $5::timestamptz)
       AND ($6::text IS NULL OR l.actor = ANY(string_to_array($6::text, ',')))
       AND ($7::text IS NULL OR l.action = ANY(string_to_array($7::text, ',')))
       AND ($8::text IS NULL OR l.object = ANY(string_to_array($8::text, ',')))
     ORDER BY l.id DESC
     LIMIT $2::integer
), weighed AS (
    SELECT p.*, sum(CASE WHEN $9::boolean AND p.action = 'dlq.edit' AND NOT p.detail ? 'payloadErased'
                         THEN (p.detail #>> '{before,bytes}')::bigint + (p.detail #>> '{after,bytes}')::bigint
                         ELSE 0 END) OVER (ORDER BY p.id DESC) AS bytes
      FROM page p
)
SELECT w.id, dlo_iso(w.at), w.actor, w.action, w.object,
       CASE WHEN w.action <> 'dlq.edit' OR ($9::boolean AND (w.bytes <= 4194304 OR w.detail ? 'payloadErased')) THEN w.detail
            ELSE (w.detail #- '{before,payload}' #- '{after,payload}')
                 || jsonb_build_object(CASE WHEN $9::boolean THEN 'payloadOmitted' ELSE 'payloadHidden' END, true) END,
       w.request_id
  FROM weighed w
 ORDER BY w.id DESC
