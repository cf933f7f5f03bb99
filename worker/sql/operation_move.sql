-- name: operation_move
-- params: $1 operation uuid, $2 from state int2, $3 to state int2, $4 why text, $5 the word for the audit text
-- returns: 1 if it was in that state, else 0 int4
-- locks: the operation
-- called by: maintainer: the one way in which it changes an operation's state
SELECT dlo_operation_move($1::uuid, $2::int2, $3::int2, $4::text, 'worker', $5::text, NULL)::int4
