-- name: delivery_attempts
--
-- The attempts of one delivery, in order; verdicts without a request have kind 1. Takes no locks. Called by
-- GET /v1/deliveries/{id}.
--
-- $1 project  $2 delivery  $3 the drawer of its source
-- => the columns of enum attempt_column
SELECT a.n, a.kind, a.at, a.outcome, a.reason, a.status_code, a.error_code, a.error, a.request_url, a.request_headers,
       encode(a.body_sha256, 'hex'), a.response_headers, a.response_body, a.response_truncated, a.dns_us, a.connect_us,
       a.tls_us, a.ttfb_us, a.total_us, a.remote_address
  FROM attempts a
 WHERE a.project_id = $1 AND a.delivery_id = $2 AND a.drawer = $3
 ORDER BY a.n;
