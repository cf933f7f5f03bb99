-- name: webhook_update
--
-- Writes the merged settings of a PATCH, if nobody else changed the row since it was read. Enabling forgets why it was
-- disabled. The trigger counts the version and tells the senders. Locks: the row. Called by PATCH /v1/webhooks/{id}.
--
-- $1 project  $2 public id  $3 version the settings were merged with  $4 settings: a JSON object of columns
-- $5 whether the headers change  $6 headers, sealed, or NULL  $7 actor  $8 id as shown  $9 audit detail
-- $10 request id
-- => the row as JSON; no row: the version has moved on, or the webhook is gone
WITH changed AS (
    UPDATE webhooks w
       SET url = s.url, name = s.name, description = s.description, event_types = s.event_types,
           event_regex = s.event_regex, channels = s.channels, customer_ids = s.customer_ids,
           header_names = s.header_names,
           headers_sealed = CASE WHEN $5 THEN $6 ELSE w.headers_sealed END,
           signing = s.signing, timeout_ms = s.timeout_ms, max_attempts = s.max_attempts,
           retry_schedule = s.retry_schedule, max_concurrency = s.max_concurrency,
           expected_statuses = s.expected_statuses, hold_budget_s = s.hold_budget_s, enabled = s.enabled,
           disabled_reason = CASE WHEN s.enabled THEN NULL ELSE w.disabled_reason END
      FROM jsonb_populate_record(NULL::webhooks, $4::jsonb) s
     WHERE w.project_id = $1 AND w.public_id = $2 AND w.version = $3 AND w.deleted_at IS NULL
    RETURNING w.*
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $7, 'webhook.update', $8, $9::jsonb, $10 FROM changed
)
SELECT to_jsonb(changed) FROM changed;
