-- name: webhook_update
--
-- Writes the merged settings of a PATCH, if nobody else changed the row since it was read. Enabling forgets why it was
-- disabled. Another URL, or enabling, closes an open circuit: its owner sees the change and forgets what it knew. The
-- trigger counts the version and tells the senders. Locks: the row, before it the project's if $dlq is among its channels or
-- becomes one of them: a trigger will write there, and PUT …/redaction goes that way too. Called by PATCH /v1/webhooks/{id}.
--
-- $1 project  $2 public id  $3 version the settings were merged with  $4 settings: a JSON object of columns
-- $5 whether the headers change  $6 headers, sealed, or NULL  $7 a new secret, sealed, or NULL: signing is as it was
-- $8 whether the client certificate changes  $9 client certificate and key, sealed, or NULL  $10 actor
-- $11 id as shown  $12 audit detail  $13 request id
-- => the row as JSON; no row: the version has moved on, or the webhook is gone
WITH listening AS MATERIALIZED (
    SELECT id FROM projects
     WHERE id = $1 AND ($4::jsonb -> 'channels' ? '$dlq'
                        OR EXISTS (SELECT FROM webhooks w WHERE w.project_id = $1 AND w.public_id = $2 AND '$dlq' = ANY (w.channels)))
       FOR NO KEY UPDATE
), hook AS (
    SELECT * FROM webhooks
     WHERE (SELECT count(*) FROM listening) >= 0
       AND project_id = $1 AND public_id = $2 AND version = $3 AND deleted_at IS NULL
       FOR UPDATE
), changed AS (
    UPDATE webhooks w
       SET url = s.url, name = s.name, description = s.description, event_types = s.event_types,
           event_regex = s.event_regex, channels = s.channels, customer_ids = s.customer_ids,
           header_names = s.header_names,
           headers_sealed = CASE WHEN $5 THEN $6 ELSE w.headers_sealed END,
           secret_sealed = coalesce($7, w.secret_sealed),
           old_secret_sealed = CASE WHEN $7::bytea IS NULL THEN w.old_secret_sealed END,
           old_secret_until = CASE WHEN $7::bytea IS NULL THEN w.old_secret_until END,
           signing = s.signing, public_key = s.public_key, timeout_ms = s.timeout_ms, max_attempts = s.max_attempts,
           retry_schedule = s.retry_schedule, max_concurrency = s.max_concurrency,
           expected_statuses = s.expected_statuses, hold_budget_s = s.hold_budget_s, enabled = s.enabled,
           disabled_reason = CASE WHEN s.enabled THEN NULL ELSE w.disabled_reason END,
           transform = s.transform, payload_schema = s.payload_schema, max_payload_bytes = s.max_payload_bytes,
           rate_per_second = s.rate_per_second, tls_ca = s.tls_ca, tls_client = s.tls_client,
           tls_client_sealed = CASE WHEN $8 THEN $9 ELSE w.tls_client_sealed END, dlq_payload = s.dlq_payload,
           auto_redrive = s.auto_redrive
      FROM hook, jsonb_populate_record(NULL::webhooks, $4::jsonb) s
     WHERE w.project_id = $1 AND w.id = hook.id
    RETURNING w.*
), closed AS (
    DELETE FROM breakers b
     USING hook, changed
     WHERE b.project_id = $1 AND b.webhook_id = hook.id
       AND (changed.url <> hook.url OR changed.enabled AND NOT hook.enabled)
    RETURNING b.webhook_id
), news AS (
    INSERT INTO notices (project_id, type, webhook_id, detail)
    SELECT p.id, t.type, t.webhook_id, t.detail
      FROM projects p,
           (SELECT 'webhook.disabled' AS type, hook.id AS webhook_id,
                   jsonb_build_object('reason', 'disabled by ' || $10::text) AS detail
              FROM hook, changed WHERE hook.enabled AND NOT changed.enabled
            UNION ALL
            SELECT 'webhook.circuit.closed', c.webhook_id, jsonb_build_object('reason', 'changed by ' || $10::text)
              FROM closed c) t
     WHERE p.id = $1 AND p.listens
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $10, 'webhook.update', $11, $12::jsonb, $13 FROM changed
)
SELECT to_jsonb(changed) FROM changed;
