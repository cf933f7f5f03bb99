-- Held for another part of the ledger, so that versions stay consecutive.
SELECT 1;
