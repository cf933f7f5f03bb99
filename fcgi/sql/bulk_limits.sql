-- name: bulk_limits
--
-- What a project's plan allows of bulk operations, and what all its re-drives together may feed a second.
-- Takes no locks. Called by POST /v1/dlq/bulk-… and everything that sets a rate.
--
-- $1 project
-- => bulk_redrive, max_bulk_items, bulk_rate
SELECT n.bulk_redrive, n.max_bulk_items, p.bulk_rate
  FROM projects p JOIN plans n ON n.name = p.plan
 WHERE p.id = $1;
