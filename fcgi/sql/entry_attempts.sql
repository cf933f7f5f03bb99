-- name: entry_attempts
--
-- The attempts of one entry, from its own copy of them, in order; the verdict without a request, if there was one, is
-- among them with kind 1. Takes no locks. Called by GET /v1/dlq/{id} and /v1/dlq/{id}/attempts/{n}.
--
-- $1 project  $2 entry  $3 its drawer
-- => the columns of enum attempt_column
SELECT a.n, a.kind, a.at, a.outcome, a.reason, a."statusCode", a."errorCode", a.error, a."requestUrl",
       a."requestHeaders", a."bodySha256", a."responseHeaders", decode(a."responseBody", 'base64'), a.truncated,
       a."dnsUs", a."connectUs", a."tlsUs", a."ttfbUs", a."totalUs", a."remoteAddress"
  FROM dead_letter_bodies b
 CROSS JOIN LATERAL jsonb_to_recordset(b.attempts) AS a(
       n integer, kind integer, at timestamptz, outcome integer, reason integer, "statusCode" integer,
       "errorCode" text, error text, "requestUrl" text, "requestHeaders" text, "bodySha256" text,
       "responseHeaders" text, "responseBody" text, truncated boolean, "dnsUs" integer, "connectUs" integer,
       "tlsUs" integer, "ttfbUs" integer, "totalUs" integer, "remoteAddress" text)
 WHERE b.project_id = $1 AND b.id = $2 AND b.drawer = $3
 ORDER BY a.n;
