-- name: recoveries_tell
-- params: $1 owner uuid, $2 webhooks int4[]
-- locks: the rows it writes, the webhooks' rows (KEY SHARE)
-- called by: sender, for webhooks with autoRedrive that have recovered, at most once a second and once a recovery; only of
--            those that are still its own
INSERT INTO recoveries AS r (webhook_id, recovered_at)
SELECT w.id, dlo_now()
  FROM unnest($2::int4[]) c(id)
 CROSS JOIN LATERAL (SELECT v.id, v.shard FROM webhooks v
                      WHERE v.id = c.id AND v.auto_redrive IS NOT NULL AND v.deleted_at IS NULL LIMIT 1) w
  JOIN shard_leases l ON l.shard = w.shard AND l.owner = $1::uuid AND l.expires_at > clock_timestamp()
    ON CONFLICT (webhook_id) DO UPDATE SET recovered_at = excluded.recovered_at
