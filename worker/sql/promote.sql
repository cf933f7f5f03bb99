-- name: promote
-- params: $1 shards int2[]
-- returns: rows promoted int8, milliseconds until the next one is due int8 (NULL: none waits)
-- locks: the rows it moves (SKIP LOCKED)
-- called by: sender, when a retry is due and at least every second. Run twice it moves nothing twice.
WITH due AS (
    SELECT l.ctid AS tid FROM unnest($1::int2[]) s(shard) CROSS JOIN LATERAL (
        SELECT q.ctid FROM later q WHERE q.shard = s.shard AND q.due_at <= dlo_now()
         ORDER BY q.due_at LIMIT 200 FOR UPDATE SKIP LOCKED) l
     LIMIT 1000),
gone AS (
    DELETE FROM later l WHERE l.ctid = ANY(ARRAY(SELECT tid FROM due)) RETURNING l.*),
moved AS (
    INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, entry_id, created_at, ready_at, shaped)
    SELECT shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
           delivery_id, event_id, entry_id, created_at, dlo_now(), shaped FROM gone ORDER BY due_at
    ON CONFLICT (project_id, delivery_id) DO NOTHING
    RETURNING 1)
SELECT (SELECT count(*) FROM moved),
       (SELECT (extract(epoch FROM min(n.due_at) - dlo_now()) * 1000)::int8
          FROM unnest($1::int2[]) s(shard) CROSS JOIN LATERAL (
            SELECT q.due_at FROM later q WHERE q.shard = s.shard ORDER BY q.due_at LIMIT 1) n)
