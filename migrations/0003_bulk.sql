-- Bulk operations: re-drive, discard, restore and purge over a frozen set of dead letters.
--
-- The set is frozen as ids and drawers in one statement. Items are taken in order, each lane's (0007) in its own, so what has
-- not been started lies beyond bulk_operations.fed, or its lane's `next`, and nothing is written for it. An item that has been started and has no outcome is
-- under way: its row in `redrives` says as which delivery. Outcomes are counted by deltas (as entries are), because an
-- operation's row must not become what all completions wait for.

CREATE TABLE bulk_operations (
    id          uuid PRIMARY KEY,
    number      integer GENERATED ALWAYS AS IDENTITY UNIQUE,    -- what items and re-drives name it by
    project_id  integer NOT NULL REFERENCES projects,
    kind        smallint NOT NULL CHECK (kind BETWEEN 1 AND 4), -- re-drive, discard, restore, purge
    state       smallint NOT NULL CHECK (state BETWEEN 1 AND 8),
    cause       text,                           -- why it is in this state, where that is not plain
    name        text,
    reason      text,
    query       jsonb NOT NULL,                 -- what was asked for: filters, all, ids (their number), operation
    retry_of    uuid,                           -- whose failed items these are
    actor       text NOT NULL,
    key_hash    bytea,                          -- of the Idempotency-Key: one key is one operation
    anew        boolean NOT NULL,               -- re-drives: today's transform makes the bytes
    original    boolean NOT NULL DEFAULT false, -- re-drives: to the original URLs (0006)
    webhook_id  integer,                        -- the only one that its set is about; NULL: it has lanes
    rate        real CHECK (rate > 0),          -- items a second; NULL: as fast as it goes
    truncated   boolean NOT NULL,               -- more matched than were taken
    total       integer NOT NULL,
    fed         integer NOT NULL DEFAULT 0,     -- how many were started, or skipped; without lanes items 1 to fed
    -- outcomes, less what still stands in bulk_deltas
    succeeded   integer NOT NULL DEFAULT 0,
    failed      integer NOT NULL DEFAULT 0,
    cancelled   integer NOT NULL DEFAULT 0,
    skipped     integer NOT NULL DEFAULT 0,
    -- the pace: what has not been used of the rate, as of when. Real time, like leases.
    tokens      real NOT NULL DEFAULT 1,
    fed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- the probe: its present stage are the probe_size items that were taken behind probe_from; 0: no probe
    probe_from  integer NOT NULL DEFAULT 0,
    probe_size  integer NOT NULL DEFAULT 0,
    -- how many had ended when, twice, for the rate that is shown
    mark_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    mark_done   integer NOT NULL DEFAULT 0,
    prev_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    prev_done   integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT dlo_now(),
    start_at    timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz
);
CREATE INDEX bulk_operations_project ON bulk_operations (project_id, id);
CREATE INDEX bulk_operations_active ON bulk_operations (state) WHERE state <= 4;

CREATE TABLE bulk_items (
    operation   integer NOT NULL,
    item        integer NOT NULL,               -- from 1: as they are taken, or lane by lane
    drawer      integer NOT NULL,               -- where the entry lay when the set was frozen
    outcome     smallint NOT NULL DEFAULT 0 CHECK (outcome BETWEEN 0 AND 4), -- none yet, succeeded, failed, cancelled, skipped
    cause       smallint NOT NULL DEFAULT 0 CHECK (cause BETWEEN 0 AND 9),   -- why skipped
    entry_id    uuid NOT NULL,
    delivery_id uuid,                           -- that ended
    made_id     uuid,                           -- the entry in which it ended, where it failed
    made_drawer integer,
    PRIMARY KEY (operation, item)
) WITH (autovacuum_vacuum_scale_factor = 0.1);
CREATE INDEX bulk_items_outcome ON bulk_items (operation, outcome, item) WHERE outcome >= 2;

CREATE TABLE bulk_deltas (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation integer NOT NULL,
    outcome   smallint NOT NULL,
    n         integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX bulk_deltas_operation ON bulk_deltas (operation);

-- Never used until now: the narrow number takes its place.
ALTER TABLE redrives DROP COLUMN operation_id, ADD COLUMN operation integer;
CREATE INDEX redrives_operation ON redrives (operation, item) WHERE operation IS NOT NULL;

-- What all running re-drives of a project may feed together, a second.
ALTER TABLE projects ADD COLUMN bulk_rate real NOT NULL DEFAULT 2000 CHECK (bulk_rate > 0);

-- Operations with their outcomes as of the reader's snapshot.
CREATE VIEW operations AS
    SELECT o.id, o.number, o.project_id, o.kind, o.state, o.cause, o.name, o.reason, o.query, o.retry_of, o.actor, o.anew,
           o.rate, o.truncated, o.total, o.fed, o.succeeded + d.succeeded AS succeeded, o.failed + d.failed AS failed,
           o.cancelled + d.cancelled AS cancelled, o.skipped + d.skipped AS skipped,
           o.succeeded + o.failed + o.cancelled + o.skipped + d.n AS ended, o.probe_from, o.probe_size, o.prev_at,
           o.prev_done, o.created_at, o.start_at, o.started_at, o.finished_at, o.original, o.webhook_id
      FROM bulk_operations o
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.n) FILTER (WHERE x.outcome = 1), 0)::integer AS succeeded,
               coalesce(sum(x.n) FILTER (WHERE x.outcome = 2), 0)::integer AS failed,
               coalesce(sum(x.n) FILTER (WHERE x.outcome = 3), 0)::integer AS cancelled,
               coalesce(sum(x.n) FILTER (WHERE x.outcome = 4), 0)::integer AS skipped,
               coalesce(sum(x.n), 0)::integer AS n
          FROM bulk_deltas x WHERE x.operation = o.number) d;

-- The one setter of an operation's state (the table is common/states.c), with its audit row. False: it was not in `from`.
CREATE FUNCTION dlo_operation_move(op uuid, from_state smallint, to_state smallint, why text, who text, word text,
                                   request text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    o bulk_operations;
BEGIN
    UPDATE bulk_operations b
       SET state = to_state, cause = why,
           started_at = CASE WHEN to_state = 2 THEN coalesce(b.started_at, dlo_now()) ELSE b.started_at END,
           finished_at = CASE WHEN to_state >= 5 THEN dlo_now() END,
           -- who resumes what its probe has stopped begins with one item again
           probe_from = CASE WHEN to_state = 2 AND b.probe_size > 0 THEN b.fed ELSE b.probe_from END,
           probe_size = CASE WHEN to_state = 2 AND b.probe_size > 0 THEN 1 ELSE b.probe_size END
     WHERE b.id = op AND b.state = from_state
    RETURNING * INTO o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO audit_log (project_id, actor, action, object, detail, request_id)
    VALUES (o.project_id, who, 'operation.' || word, dlo_id('op', o.id),
            jsonb_strip_nulls(jsonb_build_object('cause', why, 'total', o.total, 'started', o.fed)), request);
    RETURN true;
END
$$;

-- Why an entry cannot be an item of this kind (common/states.c, enum item_cause); 0: it can.
CREATE FUNCTION dlo_item_cause(kind smallint, state smallint, expired boolean, deleted boolean, enabled boolean)
RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN expired THEN 1 WHEN state = 7 THEN 2
                WHEN kind = 3 THEN CASE WHEN state = 5 THEN 0 ELSE 9 END
                WHEN state = 5 THEN CASE WHEN kind = 4 THEN 0 ELSE 3 END
                WHEN state = 2 THEN 5
                WHEN state <> 1 THEN 4
                WHEN kind = 1 AND deleted THEN 6
                WHEN kind = 1 AND NOT enabled THEN 8
                ELSE 0 END::smallint
$$;

-- How many items the rate of an operation leaves at this moment; without one, more than anybody takes.
CREATE FUNCTION dlo_operation_pace(o bulk_operations) RETURNS real LANGUAGE plpgsql AS $$
DECLARE
    pace real;
BEGIN
    IF o.rate IS NULL THEN
        RETURN 1e6;
    END IF;
    pace := least(o.rate, (SELECT p.bulk_rate / greatest(count(b.id), 1)
                             FROM projects p LEFT JOIN bulk_operations b ON b.project_id = p.id AND b.state = 2 AND b.kind = 1
                            WHERE p.id = o.project_id GROUP BY p.bulk_rate));
    RETURN least(greatest(2 * pace, 1), -- two seconds may be made up for, not an hour's pause
                 o.tokens + pace * extract(epoch FROM greatest(clock_timestamp() - o.fed_at, interval '0')));
END
$$;

-- What may be under way, less what is.
CREATE FUNCTION dlo_operation_room(o bulk_operations, under_way integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RETURN under_way - o.fed + o.succeeded + o.failed + o.cancelled + o.skipped
           + coalesce((SELECT sum(d.n) FROM bulk_deltas d WHERE d.operation = o.number), 0);
END
$$;

-- How many items of a running operation are to be taken now, already marked as taken: what its rate, the bound on what
-- is under way and its probe leave. Locks its row.
CREATE FUNCTION dlo_operation_turn(op uuid, most integer, under_way integer)
RETURNS TABLE (number integer, project_id integer, kind smallint, actor text, reason text, anew boolean, fed integer,
               n integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    o bulk_operations;
    have real;
    room integer;
BEGIN
    SELECT b.* INTO o FROM bulk_operations b WHERE b.id = op AND b.state = 2 FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    have := dlo_operation_pace(o);
    room := least(most, dlo_operation_room(o, under_way), o.total - o.fed, floor(have)::integer,
                  CASE WHEN o.probe_size > 0 THEN o.probe_from + o.probe_size - o.fed END);
    room := greatest(room, 0);
    IF room > 0 THEN
        UPDATE bulk_operations b SET fed = o.fed + room, tokens = have - room, fed_at = clock_timestamp() WHERE b.id = op;
    END IF;
    RETURN QUERY SELECT o.number, o.project_id, o.kind, o.actor, o.reason, o.anew, o.fed, room;
END
$$;

-- What was taken and skipped has cost nothing of the rate.
CREATE FUNCTION dlo_operation_refund(op uuid, n bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF n > 0 THEN
        UPDATE bulk_operations b SET tokens = b.tokens + n WHERE b.id = op;
    END IF;
END
$$;

-- The entry of an item: in its drawer, or, carried meanwhile, wherever it lies. Not locked.
CREATE FUNCTION dlo_item_entry(project integer, in_drawer integer, entry uuid) RETURNS dead_letters
LANGUAGE plpgsql AS $$
DECLARE
    d dead_letters;
BEGIN
    SELECT x.* INTO d FROM dead_letters x WHERE x.project_id = project AND x.id = entry AND x.drawer = in_drawer;
    IF NOT FOUND THEN
        SELECT x.* INTO d FROM dead_letters x WHERE x.project_id = project AND x.id = entry LIMIT 1;
    END IF;
    RETURN d;
END
$$;

-- An UPDATE of a drawered table opens all its drawers, 2 to 5 ms each time, whether it changes one row or five hundred
-- (measured: 300 items a second row by row, 4,000 by sets), unless the drawers stand in its text: then planning it anew
-- takes less than that. So sets are changed by the places of their rows, which were looked up before; nothing but a TID
-- scan may be chosen, because every other plan scans whole drawers. A row that was changed in between is not found here:
-- callers try it once more by its key.
CREATE FUNCTION dlo_in(drawers integer[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(DISTINCT x::text, ', ') FROM unnest(drawers) x
$$;
CREATE FUNCTION dlo_tids_move(tids tid[], drawers integer[], from_state smallint, to_states smallint[], deliveries uuid[])
RETURNS TABLE (entry_id uuid, project_id integer, webhook_id integer, channel text, reason smallint, state smallint,
               created_at timestamptz)
LANGUAGE plpgsql SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_tidscan = on AS $$
#variable_conflict use_column
BEGIN
    IF cardinality(tids) > 0 THEN
        RETURN QUERY EXECUTE format('
            UPDATE dead_letters d
               SET state = x.to_state, replayed_as = coalesce(x.delivery, d.replayed_as), updated_at = dlo_now()
              FROM unnest($1, $2, $3, $4) AS x(tid, in_drawer, to_state, delivery)
             WHERE d.ctid = x.tid AND d.drawer = x.in_drawer AND d.drawer IN (%s) AND d.state = $5
            RETURNING d.id, d.project_id, d.webhook_id, d.channel, d.reason, d.state, d.created_at', dlo_in(drawers))
        USING tids, drawers, to_states, deliveries, from_state;
    END IF;
END
$$;

-- dlo_entry_move for many: entries of any projects from one state to one each, `deliveries` NULL or what re-drives them.
-- (state + 0, here and in dlo_items_settle: a plan made without statistics would look the state's index through instead of
-- the key, 4 ms an entry.)
CREATE FUNCTION dlo_entries_move(of_projects integer[], drawers integer[], entries uuid[], from_state smallint,
                                 to_states smallint[], deliveries uuid[])
RETURNS TABLE (entry_id uuid, project_id integer, webhook_id integer, channel text, reason smallint, state smallint,
               counted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    tids tid[];
    at_drawers integer[];
    at_states smallint[];
    at_deliveries uuid[];
    done uuid[] := '{}';
    r record;
BEGIN
    IF coalesce(cardinality(entries), 0) = 0 THEN
        RETURN;
    END IF;
    EXECUTE format('
        SELECT array_agg(q.tid), array_agg(x.in_drawer), array_agg(x.to_state), array_agg(x.delivery)
          FROM unnest($1, $2, $3, $4, $5) AS x(project, in_drawer, entry, to_state, delivery)
         CROSS JOIN LATERAL (
            SELECT o.ctid AS tid FROM dead_letters o
             WHERE o.project_id = x.project AND o.id = x.entry AND o.drawer = x.in_drawer AND o.drawer IN (%s)
               AND o.state + 0 = $6 LIMIT 1) q', dlo_in(drawers))
       INTO tids, at_drawers, at_states, at_deliveries
      USING of_projects, drawers, entries, to_states, deliveries, from_state;
    FOR r IN SELECT m.*, m.created_at > p.counted_from AS is_counted
               FROM dlo_tids_move(tids, at_drawers, from_state, at_states, at_deliveries) m
               JOIN projects p ON p.id = m.project_id LOOP
        done := done || r.entry_id;
        RETURN QUERY SELECT r.entry_id, r.project_id, r.webhook_id, r.channel, r.reason, r.state, r.is_counted;
    END LOOP;
    IF cardinality(done) < cardinality(entries) AND deliveries IS NULL THEN
        RETURN QUERY SELECT x.entry, m.*
          FROM unnest(of_projects, drawers, entries, to_states) AS x(project, in_drawer, entry, to_state)
         CROSS JOIN LATERAL dlo_entry_move(x.project, x.in_drawer, x.entry, from_state, x.to_state) m
         WHERE NOT x.entry = ANY (done);
    END IF;
END
$$;

-- One item of a re-drive, looked at: why its entry cannot be re-driven (0: it can), and what its delivery needs to know.
-- Shaped is also what a re-drive would have sent that died before its first request.
CREATE FUNCTION dlo_item_look(project integer, in_drawer integer, entry uuid, anew boolean)
RETURNS TABLE (cause smallint, drawer integer, webhook_id integer, shard smallint, event_id uuid, channel text,
               reason smallint, generation smallint, payload_bytes integer, shaped boolean, counted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    d dead_letters := dlo_item_entry(project, in_drawer, entry);
    p projects;
    w webhooks;
    why smallint;
    bytes integer;
    sent boolean;
BEGIN
    SELECT x.* INTO p FROM projects x WHERE x.id = project;
    SELECT x.* INTO w FROM webhooks x WHERE x.project_id = project AND x.id = d.webhook_id;
    why := dlo_item_cause(1::int2, d.state, d.id IS NULL OR d.created_at <= dlo_now() - make_interval(secs => p.retention_s),
                          w.deleted_at IS NOT NULL, w.enabled);
    IF why = 0 THEN
        SELECT octet_length(CASE WHEN anew THEN b.payload ELSE coalesce(b.dispatched, b.payload) END), b.dispatched IS NOT NULL
          INTO bytes, sent
          FROM dead_letter_bodies b
         WHERE b.project_id = project AND b.id = entry AND b.drawer = d.drawer;
        why := CASE WHEN bytes > 0 THEN 0 ELSE 7 END;
    END IF;
    RETURN QUERY SELECT why, d.drawer, d.webhook_id, w.shard, d.event_id, d.channel, d.reason, d.generation, bytes,
                        (d.attempt_count > 0 OR sent) AND NOT anew, d.created_at > p.counted_from;
END
$$;

-- What was seen of an entry before it is changed.
CREATE TYPE dlo_item_seen AS (item integer, entry_id uuid, drawer integer, state smallint, webhook_id integer, channel text,
                              reason smallint, counted boolean, cause smallint);

-- Items of a discard, restore or purge: state, who, when, why. A purge leaves the tombstone: the wide half goes, and of the
-- narrow one what a customer could be known by. By places, as in dlo_tids_move.
CREATE FUNCTION dlo_tids_settle(kind smallint, tids tid[], drawers integer[], from_states smallint[], bodies tid[], who text,
                                why text) RETURNS TABLE (entry_id uuid)
LANGUAGE plpgsql SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_tidscan = on AS $$
#variable_conflict use_column
BEGIN
    IF coalesce(cardinality(tids), 0) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format('
        UPDATE dead_letters d
           SET state = CASE $4 WHEN 2 THEN 5 WHEN 3 THEN 1 ELSE 7 END, updated_at = dlo_now(),
               decided_at = CASE WHEN $4 <> 3 THEN dlo_now() END, decided_by = CASE WHEN $4 <> 3 THEN $5 END,
               decided_reason = CASE WHEN $4 <> 3 THEN $6 END,
               last_error = CASE WHEN $4 <> 4 THEN d.last_error END,
               customer_id = CASE WHEN $4 <> 4 THEN d.customer_id END,
               external_id = CASE WHEN $4 <> 4 THEN d.external_id END
          FROM unnest($1, $2, $3) AS x(tid, in_drawer, from_state)
         WHERE d.ctid = x.tid AND d.drawer = x.in_drawer AND d.drawer IN (%s) AND d.state = x.from_state
        RETURNING d.id', dlo_in(drawers))
    USING tids, drawers, from_states, kind, who, why;
    IF kind = 4 THEN
        EXECUTE format('
            DELETE FROM dead_letter_bodies b USING unnest($1, $2) AS x(tid, in_drawer)
             WHERE b.ctid = x.tid AND b.drawer = x.in_drawer AND b.drawer IN (%s)', dlo_in(drawers))
        USING bodies, drawers;
    END IF;
END
$$;

-- What is left of purged entries elsewhere: what their deliveries' requests said and were told, and the payload of an event
-- that went to nobody else. That there were attempts, when, and how they ended stays. (No scan but by key: a plan made while a
-- table was small would walk it.)
CREATE FUNCTION dlo_purge_traces(project integer, entries uuid[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    deliveries uuid[];
    sources uuid[];
BEGIN
    SELECT array_agg(d.delivery_id), array_agg(d.event_id) INTO deliveries, sources
      FROM unnest(entries) x(id) CROSS JOIN LATERAL (
        SELECT o.delivery_id, o.event_id FROM dead_letters o WHERE o.project_id = project AND o.id = x.id LIMIT 1) d;
    UPDATE attempts a SET error = NULL, request_headers = NULL, response_headers = NULL, response_body = NULL
     WHERE a.project_id = project AND a.delivery_id = ANY (deliveries);
    UPDATE events v SET payload = '', metadata = NULL
     WHERE v.project_id = project AND v.id = ANY (sources) AND v.fanout = 1;
END
$$;

-- `cause` 0: it happened. An entry that somebody else changed at this very moment is not-open.
CREATE FUNCTION dlo_items_settle(kind smallint, project integer, items integer[], drawers integer[], entries uuid[], who text,
                                 why text)
RETURNS TABLE (item integer, cause smallint, webhook_id integer, channel text, reason smallint, from_state smallint,
               to_state smallint, counted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p projects;
    tids tid[];
    bodies tid[];
    at_drawers integer[];
    at_states smallint[];
    done uuid[];
    seen dlo_item_seen[];
BEGIN
    SELECT x.* INTO p FROM projects x WHERE x.id = project;
    SELECT array_agg(ROW(x.item, x.entry, (s.d).drawer, (s.d).state, (s.d).webhook_id, (s.d).channel, (s.d).reason,
                         (s.d).created_at > p.counted_from,
                         dlo_item_cause(kind, (s.d).state, (s.d).id IS NULL
                             OR (s.d).created_at <= dlo_now() - make_interval(secs => p.retention_s), false, true))::dlo_item_seen)
      INTO seen
      FROM unnest(items, drawers, entries) AS x(item, in_drawer, entry)
     CROSS JOIN LATERAL (SELECT dlo_item_entry(project, x.in_drawer, x.entry) AS d OFFSET 0) s;
    SELECT array_agg(q.tid), array_agg(b.tid), array_agg(x.drawer), array_agg(x.state)
      INTO tids, bodies, at_drawers, at_states
      FROM unnest(seen) x
     CROSS JOIN LATERAL (
        SELECT o.ctid AS tid FROM dead_letters o
         WHERE o.project_id = project AND o.id = x.entry_id AND o.drawer = x.drawer AND o.state + 0 = x.state
           FOR UPDATE) q
      LEFT JOIN LATERAL (
        SELECT o.ctid AS tid FROM dead_letter_bodies o
         WHERE kind = 4 AND o.project_id = project AND o.id = x.entry_id AND o.drawer = x.drawer LIMIT 1) b ON true
     WHERE x.cause = 0;
    SELECT array_agg(m.entry_id) INTO done FROM dlo_tids_settle(kind, tids, at_drawers, at_states, bodies, who, why) m;
    IF kind = 4 THEN
        PERFORM dlo_purge_traces(project, done);
    END IF;
    RETURN QUERY SELECT x.item, CASE WHEN x.cause > 0 THEN x.cause WHEN x.entry_id = ANY (done) THEN 0 ELSE 4 END::smallint,
                        x.webhook_id, x.channel, x.reason, x.state,
                        CASE kind WHEN 2 THEN 5 WHEN 3 THEN 1 ELSE 7 END::smallint, x.counted
                   FROM unnest(seen) x;
END
$$;

-- An item learns how it ended; once. The number of rows: its operation counts it then.
CREATE FUNCTION dlo_item_end(op integer, n bigint, how smallint, why smallint, delivery uuid, made uuid, made_in integer)
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bulk_items i SET outcome = how, cause = why, delivery_id = delivery, made_id = made, made_drawer = made_in
     WHERE i.operation = op AND i.item = n AND i.outcome = 0;
    RETURN CASE WHEN FOUND THEN 1 ELSE 0 END;
END
$$;

ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_engine;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_engine(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE ON bulk_operations, bulk_items TO %I', api);
        EXECUTE format('GRANT INSERT ON bulk_deltas TO %I', api);
        EXECUTE format('GRANT DELETE ON dead_letter_bodies TO %I', api);
        EXECUTE format('GRANT UPDATE (payload, metadata) ON events TO %I', api);
        EXECUTE format('GRANT UPDATE (error, request_headers, response_headers, response_body) ON attempts TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT UPDATE (payload, metadata) ON events TO %I', worker);
        EXECUTE format('GRANT UPDATE (error, request_headers, response_headers, response_body) ON attempts TO %I', worker);
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON bulk_operations, bulk_items, bulk_deltas TO %I', worker);
    END IF;
END
$$;
