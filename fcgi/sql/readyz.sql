-- name: readyz
-- params: none
-- locks: none
-- called by: health.c
-- One row: schema version, whether tomorrow's rows have a drawer, seconds since a sender was seen (NULL: never).
-- A drawer's name is made of its key, as dlo_make_drawers does.
SELECT (SELECT coalesce(max(version), 0) FROM schema_migrations),
       NOT EXISTS (
           SELECT FROM (SELECT 86400 AS retention_s UNION SELECT retention_s FROM projects WHERE deleted_at IS NULL) p
            CROSS JOIN LATERAL (SELECT dlo_drawer(dlo_now() + interval '1 day', p.retention_s) AS key) k
            CROSS JOIN unnest(ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies']) AS parent
            WHERE to_regclass(parent || CASE WHEN key < 1000000
                      THEN to_char(date '1970-01-01' + key, '"_d"YYYYMMDD')
                      ELSE to_char(date '1970-01-01' + key - 1000000, '"_w"YYYYMMDD') END) IS NULL)
       AND to_regclass(to_char(date '1970-01-01' + dlo_day(dlo_now()) + 1, '"event_keys_d"YYYYMMDD')) IS NOT NULL,
       (SELECT extract(epoch FROM clock_timestamp() - max(seen_at)) FROM senders WHERE NOT leaving)
