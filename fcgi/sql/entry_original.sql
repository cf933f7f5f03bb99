-- name: entry_original
--
-- Where an entry's last request went. Takes no locks. Called by POST /v1/dlq/{id}/re-drive with target "original".
--
-- $1 project  $2 entry  $3 its drawer
-- => 0: the webhook's URL of now; else the id in webhook_urls; NULL: it is not known any more
SELECT dlo_original($1::integer, $3::integer, $2::uuid);
