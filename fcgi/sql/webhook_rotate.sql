-- name: webhook_rotate
--
-- Gives a webhook a new secret of the kind it has. The one it had signs along for the grace time; one that was still in
-- its own grace time is forgotten. The column moves with its ciphertext: both are bound to the place 'secret'.
-- Locks: the row. Called by POST /v1/webhooks/{id}/rotate-secret.
--
-- $1 project  $2 public id  $3 secret, sealed  $4 grace in seconds, 0: none  $5 actor  $6 id as shown
-- $7 audit detail  $8 request id  $9 signing, which the secret is for  $10 public key, or NULL
-- => the row as JSON; no row: no such webhook with that signing
WITH changed AS (
    UPDATE webhooks w
       SET secret_sealed = $3,
           public_key = $10,
           old_secret_sealed = CASE WHEN $4::integer > 0 THEN w.secret_sealed END,
           old_secret_until = CASE WHEN $4::integer > 0 THEN dlo_now() + make_interval(secs => $4::integer) END
     WHERE w.project_id = $1 AND w.public_id = $2 AND w.deleted_at IS NULL AND w.signing = $9
    RETURNING w.*
), audit AS (
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    SELECT $1, $5, 'webhook.rotate-secret', $6, $7::jsonb, $8 FROM changed
)
SELECT to_jsonb(changed) FROM changed;
