-- name: event_type_list
--
-- One page of event types, newest first, without their schemas. A name is no uuid, so its MD5 stands in where lists page
-- by (created_at, id). A project has at most 1,000: they are sorted. Takes no locks. Called by GET /v1/event-types.
--
-- $1 project  $2 most rows  $3 timestamptz and $4 uuid of the last row of the page before (NULL: first page)
-- => name, description, whether it has a schema, version, created_at, updated_at, microseconds, uuid
SELECT e.name, e.description, e.schema IS NOT NULL, e.version, dlo_iso(e.created_at), dlo_iso(e.updated_at),
       (extract(epoch FROM e.created_at) * 1000000)::bigint, md5(e.name)::uuid
  FROM event_types e
 WHERE e.project_id = $1
   AND ($3::timestamptz IS NULL OR (e.created_at, md5(e.name)::uuid) < ($3::timestamptz, $4::uuid))
 ORDER BY e.created_at DESC, md5(e.name)::uuid DESC
 LIMIT $2;
