-- name: webhook_settings
-- params: $1 webhooks int4[]
-- returns: what a sender must know of each; secrets sealed. The breaker's columns are NULL while it is closed.
-- locks: none
-- called by: sender, for webhooks it meets or that changed. Bound to webhooks, not to a project: a sender serves all.
SELECT w.id, w.public_id, w.project_id, w.shard, w.url, w.timeout_ms, w.max_attempts, w.retry_schedule::text,
       w.max_concurrency, w.expected_statuses::text, w.hold_budget_s, w.enabled, w.paused_at IS NOT NULL,
       w.deleted_at IS NOT NULL, w.secret_sealed,
       CASE WHEN w.old_secret_until > dlo_now() THEN w.old_secret_sealed END,
       w.headers_sealed, extract(epoch FROM w.retry_now_at)::float8::text, w.version,
       (extract(epoch FROM w.old_secret_until - dlo_now()) * 1000)::int8,
       w.max_payload_bytes, w.rate_per_second, w.transform, w.payload_schema,
       b.state,
       -- somebody asked for a probe since it opened last
       CASE WHEN w.retry_now_at > b.next_probe_at - make_interval(secs => b.cooldown_s) THEN 0
            ELSE (extract(epoch FROM b.next_probe_at - dlo_now()) * 1000)::int8 END,
       b.cooldown_s, b.failures, b.requests,
       b.tripped_by::text, w.signing = 'v1a', w.tls_ca, w.tls_client_sealed,
       (SELECT p.redaction::text FROM projects p WHERE p.id = w.project_id),
       (w.auto_redrive ->> 'afterSuccesses')::int4
  FROM webhooks w LEFT JOIN breakers b ON b.webhook_id = w.id
 WHERE w.id = ANY($1::int4[])
