-- name: audit_list
-- params: $1 int project, $2 int limit, $3 bigint id of the last row shown (NULL: first page), $4 $5 timestamptz from and
--         to, $6 text actors, $7 text actions, $8 text objects, each split at commas; NULL: any
-- locks: none
-- called by: audit.c
SELECT id, dlo_iso(at), actor, action, object, detail, request_id
  FROM audit_log
 WHERE project_id = $1::integer
   AND ($3::bigint IS NULL OR id < $3::bigint)
   AND ($4::timestamptz IS NULL OR at >= $4::timestamptz)
   AND ($5::timestamptz IS NULL OR at < $5::timestamptz)
   AND ($6::text IS NULL OR actor = ANY(string_to_array($6::text, ',')))
   AND ($7::text IS NULL OR action = ANY(string_to_array($7::text, ',')))
   AND ($8::text IS NULL OR object = ANY(string_to_array($8::text, ',')))
 ORDER BY id DESC
 LIMIT $2::integer
