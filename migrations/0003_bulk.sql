-- Reserved: the bulk engine's tables.
SELECT 1;
