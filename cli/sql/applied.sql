-- name: applied
-- params: none
-- locks: none
-- called by: migrate.c, doctor.c
SELECT version, sha256 FROM schema_migrations ORDER BY version
