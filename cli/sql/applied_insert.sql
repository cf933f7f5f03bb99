-- name: applied_insert
-- params: $1 int version, $2 text name, $3 text SHA-256 of the file in hex
-- locks: the new row
-- called by: migrate.c, in the migration's transaction
INSERT INTO schema_migrations (version, name, sha256) VALUES ($1::integer, $2::text, $3::text)
