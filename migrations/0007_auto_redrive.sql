-- Re-drives that begin by themselves when a webhook has recovered, and operations over many webhooks of which none may
-- stand in the way of the others.

-- {afterSuccesses, maxEntries, ratePerSecond, windowSeconds} as they are shown; NULL: off.
ALTER TABLE webhooks ADD COLUMN auto_redrive jsonb;

-- What senders tell the maintainer: since a webhook with the setting was last in trouble, as many live deliveries
-- succeeded as it asks for. The row goes when the maintainer has acted on it, or has found nothing to do.
CREATE TABLE recoveries (
    webhook_id   integer PRIMARY KEY REFERENCES webhooks,
    recovered_at timestamptz NOT NULL
);

-- At most one that has not ended, whoever plans it; and the last one.
CREATE UNIQUE INDEX bulk_operations_auto ON bulk_operations (webhook_id) WHERE actor = 'auto' AND state <= 4;
CREATE INDEX bulk_operations_auto_last ON bulk_operations (webhook_id, created_at) WHERE actor = 'auto';

-- What is re-driven by itself: what failed for a reason that passes (`reasons`), or waited too long behind a circuit; not
-- what was meant, nor what was re-driven too often.
CREATE FUNCTION dlo_auto_takes(d dead_letters, reasons smallint[], generations integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT d.generation < generations AND NOT d.intentional
       AND (d.reason = ANY (reasons) AND NOT d.permanent OR d.reason = 16)
$$;

-- Of a webhook: when the last such entry was made by a delivery that was no re-drive, and when its last operation was planned.
CREATE FUNCTION dlo_auto_outage(webhook integer, reasons smallint[], generations integer)
RETURNS TABLE (last_at timestamptz, planned_at timestamptz) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT (SELECT d.created_at FROM dead_letters d
             WHERE d.project_id = w.project_id AND d.webhook_id = w.id AND d.state = 1 AND d.generation = 0
               AND d.created_at > dlo_now() - make_interval(secs => least((w.auto_redrive ->> 'windowSeconds')::integer,
                                                                          p.retention_s))
               AND dlo_auto_takes(d, reasons, generations)
             ORDER BY d.created_at DESC, d.id DESC LIMIT 1),
           coalesce((SELECT o.created_at FROM bulk_operations o WHERE o.webhook_id = w.id AND o.actor = 'auto'
                      ORDER BY o.created_at DESC LIMIT 1), '-infinity')
      FROM webhooks w JOIN projects p ON p.id = w.project_id
     WHERE w.id = webhook;
END
$$;

-- A re-drive of several webhooks has a lane for each: its items stand together, oldest first, and each lane goes on by
-- itself. What was started are a lane's items before `next`, of an operation without lanes those up to `fed`, which
-- counts them in either case.
CREATE TABLE bulk_lanes (
    operation  integer NOT NULL REFERENCES bulk_operations (number) ON DELETE CASCADE,
    webhook_id integer NOT NULL,
    first      integer NOT NULL,                -- its items: from here
    last       integer NOT NULL,                -- to here
    next       integer NOT NULL,
    turn       integer NOT NULL DEFAULT 0,      -- how far the operation was when it last took of this lane: the lowest is next
    stage      integer NOT NULL DEFAULT -1,     -- the probe's stage (its probe_from) for which it last took of this lane
    stage_at   integer NOT NULL DEFAULT 0,      -- and its first item in it
    PRIMARY KEY (operation, first)
) WITH (fillfactor = 50);
ALTER TABLE redrives ADD COLUMN webhook_id integer;

-- The next items of a running re-drive, already marked as taken. `least_share`: what a webhook may have under way in any case,
-- and all that one may have that is held (its circuit is not closed, or it is paused): enough to probe it, and what waits
-- for it longer than its hold budget is few. `nth` counts them from 1.
CREATE FUNCTION dlo_operation_take(op uuid, most integer, under_way integer, least_share integer)
RETURNS TABLE (number integer, project_id integer, anew boolean, nth integer, item integer, entry_id uuid, drawer integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    o bulk_operations;
BEGIN
    SELECT b.* INTO o FROM bulk_operations b WHERE b.id = op AND b.state = 2 FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM bulk_lanes l WHERE l.operation = o.number) THEN
        RETURN QUERY SELECT t.* FROM dlo_operation_take_of_lanes(o, most, under_way, least_share) t;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM dlo_webhooks_held(o.project_id) h WHERE h.webhook_id = o.webhook_id) THEN
        under_way := least_share;
    END IF;
    RETURN QUERY
    SELECT t.number, t.project_id, t.anew, i.item - t.fed, i.item, i.entry_id, i.drawer
      FROM dlo_operation_turn(op, most, under_way) t CROSS JOIN LATERAL (
        SELECT b.item, b.entry_id, b.drawer FROM bulk_items b
         WHERE b.operation = t.number AND b.item > t.fed AND b.item <= t.fed + t.n
         ORDER BY b.item) i;
END
$$;

-- Those of a project: each is found by an index, and they are few. One that would be skipped (deleted, disabled) holds
-- nothing up.
CREATE INDEX webhooks_paused ON webhooks (project_id, paused_at) WHERE paused_at IS NOT NULL;
CREATE INDEX breakers_project ON breakers (project_id);
CREATE FUNCTION dlo_webhooks_held(project integer) RETURNS TABLE (webhook_id integer) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT w.id
      FROM (SELECT x.id, x.enabled, x.deleted_at FROM webhooks x
             WHERE x.project_id = project AND x.paused_at IS NOT NULL ORDER BY x.paused_at OFFSET 0) w
     WHERE w.enabled AND w.deleted_at IS NULL
     UNION
    SELECT w.id
      FROM breakers b CROSS JOIN LATERAL (
        SELECT x.id, x.enabled, x.deleted_at FROM webhooks x WHERE x.id = b.webhook_id LIMIT 1) w
     WHERE b.project_id = project AND w.enabled AND w.deleted_at IS NULL;
END
$$;

-- Of each lane in its turn. A lane may have a quarter of what is left of the room under way, and `least_share` whatever is
-- left: however many of them are stuck, the others go on. All lanes are looked at, so only if there is something to take.
CREATE FUNCTION dlo_operation_take_of_lanes(o bulk_operations, most integer, under_way integer, least_share integer)
RETURNS TABLE (number integer, project_id integer, anew boolean, nth integer, item integer, entry_id uuid, drawer integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    free integer := greatest(dlo_operation_room(o, under_way), 0);
    firsts integer[];
    counts integer[];
    total bigint;
    took integer;
BEGIN
    most := least(most, floor(dlo_operation_pace(o))::integer,
                  CASE WHEN o.probe_size > 0 THEN o.probe_from + o.probe_size - o.fed END);
    IF most <= 0 THEN
        RETURN;
    END IF;
    -- grouped, not joined: a plan made while these were empty would compare each with each
    WITH room AS MATERIALIZED (
        SELECT max(x.first) AS first, max(x.turn) AS turn,
               least(max(x.waits), CASE WHEN bool_or(x.held) THEN least_share ELSE greatest(least_share, free / 4) END
                                   - sum(x.busy)) AS n
          FROM (SELECT l.webhook_id, l.first, l.turn, l.last - l.next + 1 AS waits, 0 AS busy, false AS held
                  FROM bulk_lanes l WHERE l.operation = o.number AND l.next <= l.last
                UNION ALL
                SELECT r.webhook_id, NULL, NULL, NULL, 1, false FROM redrives r WHERE r.operation = o.number
                UNION ALL
                SELECT h.webhook_id, NULL, NULL, NULL, 0, true FROM dlo_webhooks_held(o.project_id) h) x
         GROUP BY x.webhook_id HAVING count(x.first) > 0),
    shared AS (
        SELECT r.first, r.turn, least(r.n, greatest(most / count(*) OVER (), 1))::integer AS n
          FROM room r WHERE r.n > 0
         ORDER BY r.turn, r.first LIMIT most)
    SELECT array_agg(s.first ORDER BY s.turn, s.first), array_agg(s.n ORDER BY s.turn, s.first), sum(s.n)
      INTO firsts, counts, total FROM shared s;
    IF firsts IS NULL THEN
        RETURN;
    END IF;
    SELECT t.n INTO took FROM dlo_operation_turn(o.id, least(most, total)::integer, 1 << 30) t;
    RETURN QUERY
    WITH cut AS (
        SELECT c.first, c.before, least(c.n, took - c.before)::integer AS n
          FROM (SELECT u.first, u.n, sum(u.n) OVER (ORDER BY u.ordinality) - u.n AS before
                  FROM unnest(firsts, counts) WITH ORDINALITY u(first, n, ordinality)) c
         WHERE c.before < took),
    served AS (
        UPDATE bulk_lanes l
           SET next = l.next + c.n, turn = o.fed + 1, stage = o.probe_from,
               stage_at = CASE WHEN l.stage = o.probe_from THEN l.stage_at ELSE l.next END
          FROM cut c CROSS JOIN LATERAL (
            SELECT q.ctid AS tid FROM bulk_lanes q WHERE q.operation = o.number AND q.first = c.first LIMIT 1) k
         WHERE l.ctid = k.tid
        RETURNING l.next - c.n AS begins, c.n, c.before)
    SELECT o.number, o.project_id, o.anew, (s.before + i.item - s.begins + 1)::integer, i.item, i.entry_id, i.drawer
      FROM served s CROSS JOIN LATERAL (
        SELECT b.item, b.entry_id, b.drawer FROM bulk_items b
         WHERE b.operation = o.number AND b.item >= s.begins AND b.item < s.begins + s.n
         ORDER BY b.item LIMIT s.n) i;
END
$$;

ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_before_lanes;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_before_lanes(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT INSERT ON bulk_lanes TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON bulk_lanes, recoveries TO %I', worker);
    END IF;
END
$$;
