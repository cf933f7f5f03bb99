-- name: role
-- params: none
-- locks: none
-- called by: doctor.c
SELECT current_user, rolsuper, current_setting('server_version_num')::integer,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
  FROM pg_roles WHERE rolname = current_user
