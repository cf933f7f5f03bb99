-- name: webhook_insert
--
-- Stores a new webhook and its audit row, if the plan has room. Runs after webhook_lock_plan in one transaction: its
-- own snapshot is younger than the lock, so the count is exact. Locks: nothing else. Called by POST /v1/webhooks.
--
-- $1 project  $2 public id  $3 shard  $4 settings: a JSON object of columns (webhook_input.h)
-- $5 headers, sealed, or NULL  $6 secret, sealed  $7 client certificate and key, sealed, or NULL  $8 actor
-- $9 id as shown  $10 audit detail  $11 request id
-- => the row as JSON; no row: the plan is full
WITH made AS (
    INSERT INTO webhooks (public_id, project_id, shard, url, name, description, event_types, event_regex, channels,
                          customer_ids, header_names, headers_sealed, secret_sealed, signing, public_key, timeout_ms,
                          max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s, enabled,
                          transform, payload_schema, max_payload_bytes, rate_per_second, tls_ca, tls_client,
                          tls_client_sealed, dlq_payload, auto_redrive)
    SELECT $2, $1, $3, s.url, s.name, s.description, s.event_types, s.event_regex, s.channels,
           s.customer_ids, s.header_names, $5, $6, s.signing, s.public_key, s.timeout_ms,
           s.max_attempts, s.retry_schedule, s.max_concurrency, s.expected_statuses, s.hold_budget_s, s.enabled,
           s.transform, s.payload_schema, s.max_payload_bytes, s.rate_per_second, s.tls_ca, s.tls_client,
           $7, s.dlq_payload, s.auto_redrive
      FROM jsonb_populate_record(NULL::webhooks, $4::jsonb) s
     WHERE (SELECT count(*) FROM webhooks w WHERE w.project_id = $1 AND w.deleted_at IS NULL)
         < (SELECT l.max_webhooks FROM projects p JOIN plans l ON l.name = p.plan WHERE p.id = $1)
    RETURNING *
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $8, 'webhook.create', $9, $10::jsonb, $11 FROM made
)
SELECT to_jsonb(made) FROM made;
