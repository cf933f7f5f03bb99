-- name: make_drawers
-- params: none
-- returns: drawers made int4
-- locks: SHARE UPDATE EXCLUSIVE on the parents while one is attached
-- called by: maintainer, every minute
SELECT dlo_make_drawers()
