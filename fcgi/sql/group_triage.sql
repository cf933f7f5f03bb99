-- name: group_triage
--
-- What people decided about a group, with its audit row; nothing if the version is another by now. What is not given stays.
-- Locks: the group. Called by PATCH /v1/dlq/groups/{fp}.
--
-- $1 project  $2 fingerprint  $3 version, NULL: any  $4 state or NULL  $5 whether assignee is given, $6 assignee  $7 whether
-- note is given, $8 note  $9 whether link is given, $10 link  $11 actor  $12 request id
-- => one row if it happened
WITH old AS (
    SELECT g.state, g.assignee, g.note, g.link FROM dlq_groups g
     WHERE g.project_id = $1 AND g.fingerprint = $2::bytea AND ($3::integer IS NULL OR g.version = $3::integer)
       FOR UPDATE
), changed AS (
    UPDATE dlq_groups g
       SET state = coalesce($4::text, g.state),
           resolved_at = CASE WHEN coalesce($4::text, g.state) = 'resolved'
                              THEN CASE WHEN g.state = 'resolved' THEN g.resolved_at ELSE dlo_now() END END,
           assignee = CASE WHEN $5::boolean THEN $6::text ELSE g.assignee END,
           note = CASE WHEN $7::boolean THEN $8::text ELSE g.note END,
           link = CASE WHEN $9::boolean THEN $10::text ELSE g.link END,
           decided_at = dlo_now(), decided_by = $11::text, version = g.version + 1
      FROM old
     WHERE g.project_id = $1 AND g.fingerprint = $2::bytea
    RETURNING g.state, g.assignee, g.note, g.link
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $11, 'group.triage', encode($2::bytea, 'hex'),
           jsonb_build_object('before', to_jsonb(old), 'after', to_jsonb(changed)), $12
      FROM old, changed
)
SELECT 1 FROM changed;
