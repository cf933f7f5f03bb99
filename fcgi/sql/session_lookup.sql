-- name: session_lookup
-- params: $1 bytea SHA-256 of the token, $2 uuid the project named, or NULL
-- locks: none
-- called by: principal.c, for each session not seen for 5 s
-- Without a name the project is the user's only one, if there is only one.
SELECT u.id, s.csrf_token, n.memberships, m.id, m.public_id, m.retention_s, m.max_payload_bytes, m.scopes
  FROM sessions s
  JOIN users u ON u.id = s.user_id AND u.disabled_at IS NULL
 CROSS JOIN LATERAL (
       SELECT count(*) AS memberships
         FROM memberships x JOIN projects p ON p.id = x.project_id
        WHERE x.user_id = u.id AND p.deleted_at IS NULL) n
  LEFT JOIN LATERAL (
       SELECT p.id, p.public_id, p.retention_s, p.max_payload_bytes, array_to_string(x.scopes, ' ') AS scopes
         FROM memberships x JOIN projects p ON p.id = x.project_id
        WHERE x.user_id = u.id AND p.deleted_at IS NULL
          AND (p.public_id = $2::uuid OR ($2::uuid IS NULL AND n.memberships = 1))) m ON true
 WHERE s.token_hash = $1::bytea AND s.expires_at > dlo_now()
