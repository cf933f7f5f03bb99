-- name: health
-- params: none
-- locks: none
-- called by: doctor.c
-- Whether tomorrow's rows have a drawer, seconds since a sender was seen (NULL: never), leases held, projects, keys.
SELECT NOT EXISTS (
           SELECT FROM (SELECT 86400 AS retention_s UNION SELECT retention_s FROM projects WHERE deleted_at IS NULL) p
            CROSS JOIN LATERAL (SELECT dlo_drawer(dlo_now() + interval '1 day', p.retention_s) AS key) k
            CROSS JOIN unnest(ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies']) AS parent
            WHERE to_regclass(parent || CASE WHEN key < 1000000
                      THEN to_char(date '1970-01-01' + key, '"_d"YYYYMMDD')
                      ELSE to_char(date '1970-01-01' + key - 1000000, '"_w"YYYYMMDD') END) IS NULL),
       (SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::integer FROM senders WHERE NOT leaving),
       (SELECT count(*) FROM shard_leases WHERE owner IS NOT NULL AND expires_at > clock_timestamp()),
       (SELECT count(*) FROM projects WHERE deleted_at IS NULL),
       (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL)
