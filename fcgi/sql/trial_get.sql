-- name: trial_get
-- params: $1 project int4, $2 webhook's public id uuid, $3 trial uuid
-- locks: none
-- called by: trials_get
SELECT t.done_at IS NOT NULL, t.result, t.error_code, t.error, t.elapsed_us
  FROM trials t JOIN webhooks w ON w.id = t.webhook_id AND w.project_id = t.project_id
 WHERE t.project_id = $1::int4 AND w.public_id = $2::uuid AND t.id = $3::uuid
