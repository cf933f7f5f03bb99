-- Steps of a bulk operation and the ends of re-drives as sets, whose drawers stand in the text of their statements; from when
-- to when what died in an hour had occurred; and the time asked for once where every row of a drawer is looked at.

-- Is anything in this drawer still needed: a waiting delivery's source, or a row its project may still see?
-- Events of a project whose plan grew count as seen, so that GET /v1/events/{id} keeps the promise too. (Every row is looked
-- at: what is the same for all of a project's is worked out before.)
CREATE OR REPLACE FUNCTION dlo_drawer_needed(drawer_key integer) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH p AS MATERIALIZED (SELECT id, dlo_now() - make_interval(secs => retention_s) AS since FROM projects)
    SELECT dlo_drawer_waited_for(drawer_key)
        OR EXISTS (SELECT FROM p WHERE EXISTS (
                SELECT FROM dead_letters d WHERE d.drawer = drawer_key AND d.project_id = p.id AND d.created_at > p.since))
        OR EXISTS (SELECT FROM p WHERE EXISTS (
                SELECT FROM events e WHERE e.drawer = drawer_key AND e.project_id = p.id AND e.created_at > p.since))
        OR EXISTS (SELECT FROM p WHERE EXISTS (
                SELECT FROM attempts a WHERE a.drawer = drawer_key AND a.project_id = p.id AND a.delivery_created_at > p.since))
$$;

-- How many items the rate of an operation leaves at this moment; without one, more than anybody takes. What a tenth of a
-- second brings is left to gather first, up to 25: a statement costs as much as thirty items.
CREATE OR REPLACE FUNCTION dlo_operation_pace(o bulk_operations) RETURNS real LANGUAGE plpgsql AS $$
DECLARE
    pace real;
    have real;
BEGIN
    IF o.rate IS NULL THEN
        RETURN 1e6;
    END IF;
    pace := least(o.rate, (SELECT p.bulk_rate / greatest(count(b.id), 1)
                             FROM projects p LEFT JOIN bulk_operations b ON b.project_id = p.id AND b.state = 2 AND b.kind = 1
                            WHERE p.id = o.project_id GROUP BY p.bulk_rate));
    have := least(greatest(2 * pace, 1), -- two seconds may be made up for, not an hour's pause
                  o.tokens + pace * extract(epoch FROM greatest(clock_timestamp() - o.fed_at, interval '0')));
    RETURN CASE WHEN have < least(pace / 10, 25, o.total - o.fed) THEN 0 ELSE have END;
END
$$;

-- The entries of items, as dlo_item_entry finds each. Their drawers stand in the text: with parameters it is 0.3 ms an item.
CREATE FUNCTION dlo_item_entries(project integer, items integer[], drawers integer[], entries uuid[])
RETURNS TABLE (item integer, entry uuid, d dead_letters) LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(items) > 0 THEN
        RETURN QUERY EXECUTE format('
            SELECT x.item, x.entry, coalesce(o.d, dlo_item_entry($1, x.in_drawer, x.entry))
              FROM unnest($2, $3, $4) AS x(item, in_drawer, entry)
              LEFT JOIN LATERAL (
                SELECT q AS d FROM dead_letters q
                 WHERE q.project_id = $1 AND q.id = x.entry AND q.drawer = x.in_drawer AND q.drawer IN (%s)
                 LIMIT 1) o ON true', dlo_in(drawers))
        USING project, items, drawers, entries;
    END IF;
END
$$;

-- dlo_entry_move for many: entries of any projects from one state to one each, `deliveries` NULL or what re-drives them. An
-- UPDATE of a drawered table opens all its drawers, 2 to 5 ms each time, whether it changes one row or five hundred (measured:
-- 300 items a second row by row, 4,000 by sets), unless the drawers stand in its text: planning it anew takes less than that.
-- (state + 0, here and in dlo_items_settle: a plan made without statistics would look the state's index through instead of
-- the key, 4 ms an entry.)
CREATE OR REPLACE FUNCTION dlo_entries_move(of_projects integer[], drawers integer[], entries uuid[], from_state smallint,
                                 to_states smallint[], deliveries uuid[])
RETURNS TABLE (entry_id uuid, project_id integer, webhook_id integer, channel text, reason smallint, state smallint,
               counted boolean)
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(entries) > 0 THEN
        RETURN QUERY EXECUTE format('
            UPDATE dead_letters d
               SET state = x.to_state, replayed_as = coalesce(x.delivery, d.replayed_as), updated_at = dlo_now()
              FROM unnest($1, $2, $3, $4, $5) AS x(project, in_drawer, entry, to_state, delivery)
              JOIN projects p ON p.id = x.project
             WHERE d.project_id = x.project AND d.id = x.entry AND d.drawer = x.in_drawer AND d.drawer IN (%s)
               AND d.state + 0 = $6
            RETURNING d.id, d.project_id, d.webhook_id, d.channel, d.reason, d.state, d.created_at > p.counted_from',
            dlo_in(drawers))
        USING of_projects, drawers, entries, to_states, deliveries, from_state;
    END IF;
END
$$;

DROP FUNCTION dlo_tids_move(tid[], integer[], smallint, smallint[], uuid[]);

-- Items of a re-drive, looked at: why the entry of each cannot be re-driven (0: it can), and what its delivery needs to
-- know. Shaped is also what a re-drive would have sent that died before its first request.
CREATE FUNCTION dlo_items_look(project integer, items integer[], drawers integer[], entries uuid[], anew boolean)
RETURNS TABLE (item integer, cause smallint, drawer integer, webhook_id integer, shard smallint, event_id uuid, channel text,
               reason smallint, generation smallint, payload_bytes integer, shaped boolean, counted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p projects;
    of_items integer[];
    seen dead_letters[];
    at_drawers integer[];
BEGIN
    SELECT x.* INTO p FROM projects x WHERE x.id = project;
    SELECT array_agg(e.item), array_agg(e.d), array_agg((e.d).drawer) INTO of_items, seen, at_drawers
      FROM dlo_item_entries(project, items, drawers, entries) e;
    RETURN QUERY EXECUTE format('
        SELECT d.item, CASE WHEN c.why = 0 AND coalesce(b.bytes, 0) = 0 THEN 7 ELSE c.why END::smallint, d.drawer,
               d.webhook_id, w.shard, d.event_id, d.channel, d.reason, d.generation, b.bytes,
               (d.attempt_count > 0 OR b.sent) AND NOT $4, d.created_at > $6
          FROM ROWS FROM (unnest($2), unnest($3)) AS d(item)
          LEFT JOIN LATERAL (
            SELECT h.shard, h.enabled, h.deleted_at FROM webhooks h
             WHERE h.project_id = $1 AND h.id = d.webhook_id LIMIT 1) w ON true
          LEFT JOIN LATERAL (
            SELECT octet_length(CASE WHEN $4 THEN o.payload ELSE coalesce(o.dispatched, o.payload) END) AS bytes,
                   o.dispatched IS NOT NULL AS sent
              FROM dead_letter_bodies o
             WHERE o.project_id = $1 AND o.id = d.id AND o.drawer = d.drawer AND o.drawer IN (%s)
             LIMIT 1) b ON true
         CROSS JOIN LATERAL (
            SELECT dlo_item_cause(1::smallint, d.state, d.id IS NULL OR d.created_at <= $5, w.deleted_at IS NOT NULL,
                                  w.enabled) AS why) c', coalesce(dlo_in(at_drawers), '0'))
    USING project, of_items, seen, anew, dlo_now() - make_interval(secs => p.retention_s), p.counted_from;
END
$$;

-- (dlo_item_look, which it replaces, stays: a maintainer that was not restarted yet would break its operations off.)

-- What is left of purged entries elsewhere: what their deliveries' requests said and were told, and the payload of an event
-- that went to nobody else. That there were attempts, when, and how they ended stays. (No scan but by key: a plan made while a
-- table was small would walk it.)
CREATE OR REPLACE FUNCTION dlo_purge_traces(project integer, entries uuid[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    deliveries uuid[];
    sources uuid[];
BEGIN
    SELECT array_agg(d.delivery_id), array_agg(d.event_id) INTO deliveries, sources
      FROM unnest(entries) x(id) CROSS JOIN LATERAL (
        SELECT o.delivery_id, o.event_id FROM dead_letters o WHERE o.project_id = project AND o.id = x.id LIMIT 1) d;
    IF deliveries IS NULL THEN
        RETURN;
    END IF;
    UPDATE attempts a SET error = NULL, request_headers = NULL, response_headers = NULL, response_body = NULL
     WHERE a.project_id = project AND a.delivery_id = ANY (deliveries);
    UPDATE events v SET payload = '', metadata = NULL
     WHERE v.project_id = project AND v.id = ANY (sources) AND v.fanout = 1;
END
$$;

-- `cause` 0: it happened. An entry that somebody else changed at this very moment is not-open.
CREATE OR REPLACE FUNCTION dlo_items_settle(kind smallint, project integer, items integer[], drawers integer[], entries uuid[], who text,
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
    SELECT array_agg(ROW(s.item, s.entry, (s.d).drawer, (s.d).state, (s.d).webhook_id, (s.d).channel, (s.d).reason,
                         (s.d).created_at > p.counted_from,
                         dlo_item_cause(kind, (s.d).state, (s.d).id IS NULL
                             OR (s.d).created_at <= dlo_now() - make_interval(secs => p.retention_s), false, true))::dlo_item_seen)
      INTO seen
      FROM dlo_item_entries(project, items, drawers, entries) s;
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

-- Re-drives that ended, with outcome 0 (they arrived) or 2 (they died as the entry `made`): the entries they were made from,
-- the counts, and the items of the operation that made them, if one did, learn it. How many there were.
CREATE FUNCTION dlo_redrives_end(deliveries uuid[], outcomes smallint[], made uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    IF deliveries IS NULL THEN
        RETURN 0;
    END IF;
    WITH told AS MATERIALIZED (
        SELECT * FROM unnest(deliveries, outcomes, made) AS t(delivery_id, outcome, made_entry_id)),
    placed AS MATERIALIZED (
        DELETE FROM redrives x
         USING (SELECT t.outcome, t.made_entry_id, q.tid FROM told t CROSS JOIN LATERAL (
                    SELECT o.ctid AS tid FROM redrives o WHERE o.delivery_id = t.delivery_id LIMIT 1) q) r
         WHERE x.ctid = r.tid
        RETURNING x.entry_id, x.entry_drawer, x.project_id, x.delivery_id, x.operation, x.item, r.outcome, r.made_entry_id),
    -- An entry that was carried since we looked has its redrives row in another place. Ours is not in its hot row if it was
    -- edited, so the outcome stands; the row is looked for by its key, in a snapshot of its own.
    ended AS MATERIALIZED (
        SELECT p.* FROM placed p
        UNION ALL
        SELECT x.entry_id, x.entry_drawer, x.project_id, x.delivery_id, x.operation, x.item, t.outcome, t.made_entry_id
          FROM told t CROSS JOIN LATERAL dlo_redrive_end(t.delivery_id) x
         WHERE (SELECT count(*) FROM placed) < cardinality(deliveries)),
    origin AS MATERIALIZED (
        SELECT m.* FROM (
            SELECT array_agg(e.project_id) AS projects, array_agg(e.entry_drawer) AS drawers, array_agg(e.entry_id) AS entries,
                   array_agg(CASE WHEN e.outcome = 0 THEN 3 ELSE 4 END::smallint) AS states
              FROM ended e) a
         CROSS JOIN LATERAL dlo_entries_move(a.projects, a.drawers, a.entries, 2::smallint, a.states, NULL) m
         WHERE a.entries IS NOT NULL),
    items AS (
        INSERT INTO bulk_deltas (operation, outcome, n)
        SELECT i.operation, i.outcome, sum(i.n) FROM (
            SELECT e.operation, CASE WHEN e.outcome = 0 THEN 1 ELSE 2 END::smallint AS outcome,
                   dlo_item_end(e.operation, e.item, CASE WHEN e.outcome = 0 THEN 1 ELSE 2 END::smallint, 0::smallint,
                                e.delivery_id, CASE WHEN e.outcome = 2 THEN e.made_entry_id END,
                                CASE WHEN e.outcome = 2 THEN dlo_drawer(dlo_now(), (
                                    SELECT p.retention_s FROM projects p WHERE p.id = e.project_id)) END) AS n
              FROM ended e WHERE e.operation IS NOT NULL OFFSET 0) i
         GROUP BY 1, 2 HAVING sum(i.n) > 0),
    counted AS (
        INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
        SELECT o.project_id, o.webhook_id, coalesce(o.channel, ''), o.reason, s.state, sum(s.n)
          FROM origin o CROSS JOIN LATERAL (VALUES (2::smallint, -1), (o.state, 1)) AS s(state, n)
         WHERE o.counted
         GROUP BY 1, 2, 3, 4, 5)
    SELECT count(*) INTO n FROM ended;
    RETURN n;
END
$$;

-- From when to when what dead-lettered in an hour had occurred, rounded to hours (low <= occurred_at < high): lists are in
-- the order of creation, and this tells where in it a time of occurrence can be (fcgi/entry_fields.c). Written by the
-- trigger below, when an entry is not covered yet, so a few times an hour; kept 400 days.
CREATE TABLE dlq_hours (
    project_id integer NOT NULL,
    at         timestamptz NOT NULL,            -- the hour of created_at
    low        timestamptz NOT NULL,
    high       timestamptz NOT NULL,
    PRIMARY KEY (project_id, at)
);
CREATE INDEX dlq_hours_at ON dlq_hours (at);
INSERT INTO dlq_hours
SELECT d.project_id, date_trunc('hour', d.created_at, 'UTC'), date_trunc('hour', min(d.occurred_at), 'UTC'),
       date_trunc('hour', max(d.occurred_at), 'UTC') + interval '1 hour'
  FROM dead_letters d WHERE d.occurred_at IS NOT NULL GROUP BY 1, 2;

CREATE OR REPLACE FUNCTION dead_letters_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dlq_drawers (project_id, drawer)
    SELECT DISTINCT b.project_id, b.drawer FROM born b
     WHERE NOT EXISTS (SELECT FROM dlq_drawers x WHERE x.project_id = b.project_id AND x.drawer = b.drawer)
     ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    -- looked at first: a conflict would lock the row until the commit, and others dead-letter in this hour too
    INSERT INTO dlq_hours AS h (project_id, at, low, high)
    SELECT n.project_id, n.at, n.low, n.high
      FROM (SELECT b.project_id, date_trunc('hour', b.created_at, 'UTC') AS at,
                   date_trunc('hour', min(b.occurred_at), 'UTC') AS low,
                   date_trunc('hour', max(b.occurred_at), 'UTC') + interval '1 hour' AS high
              FROM born b WHERE b.occurred_at IS NOT NULL GROUP BY 1, 2) n
     WHERE NOT EXISTS (SELECT FROM dlq_hours x
                        WHERE x.project_id = n.project_id AND x.at = n.at AND x.low <= n.low AND x.high >= n.high)
     ORDER BY 1, 2
    ON CONFLICT (project_id, at) DO UPDATE SET low = least(h.low, excluded.low), high = greatest(h.high, excluded.high);
    INSERT INTO group_deltas (project_id, fingerprint, open, born, at, entry_id, entry_drawer, fingerprint_version,
                              webhook_id, reason, last_status)
    SELECT b.project_id, b.fingerprint, count(*) FILTER (WHERE b.state = 1), count(*), max(b.created_at),
           max(b.id::text)::uuid, max(b.drawer), b.fingerprint_version, b.webhook_id, b.reason, b.last_status
      FROM born b
     GROUP BY b.project_id, b.fingerprint, b.fingerprint_version, b.webhook_id, b.reason, b.last_status,
              date_bin('5 minutes', b.created_at, '2000-01-01Z');
    RETURN NULL;
END
$$;

-- What the two roles may do with all this, beside what went before.
ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_before_hours;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_before_hours(api, worker);
    IF worker <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON dlq_hours TO %I', worker);
    END IF;
END
$$;
