-- Holds the place of a migration that is merged elsewhere.
SELECT 1;
