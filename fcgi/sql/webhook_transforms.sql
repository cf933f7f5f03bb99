-- name: webhook_transforms
--
-- Whether a sender that is alive runs transforms: it says so in its statistics (worker/stats.c). Takes no locks.
-- Called by POST and PATCH of /v1/webhooks with a transform.
--
-- no parameters
-- => available
SELECT EXISTS (SELECT FROM senders s
                WHERE s.seen_at > clock_timestamp() - interval '60 seconds' AND NOT s.leaving
                  AND s.stats ->> 'transforms' = 'true') AS available;
