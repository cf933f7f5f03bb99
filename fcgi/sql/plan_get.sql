-- name: plan_get
-- params: $1 text name
-- locks: none
-- called by: projects.c
SELECT retention_s FROM plans WHERE name = $1::text
