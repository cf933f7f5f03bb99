-- The ledger, found and understood: indexes for the filters, groups of alike failures, the system scope, warnings.

-- Every filter by a value has ordered scans of its own (fcgi/entry_filter.c), so that one that few entries have, or none,
-- does not walk past a million others. (Each costs about 2 us an entry and change of its state.)
CREATE INDEX dead_letters_group    ON dead_letters (project_id, fingerprint, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_type     ON dead_letters (project_id, event_type, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_reason   ON dead_letters (project_id, reason, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_intentional ON dead_letters (project_id, state, created_at DESC, id DESC) WHERE intentional;
CREATE INDEX dead_letters_status   ON dead_letters (project_id, last_status, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_channel  ON dead_letters (project_id, channel, state, created_at DESC, id DESC)
    WHERE channel IS NOT NULL;
CREATE INDEX dead_letters_generation ON dead_letters (project_id, generation, state, created_at DESC, id DESC)
    WHERE generation > 0;
CREATE INDEX dead_letters_permanent ON dead_letters (project_id, state, created_at DESC, id DESC) WHERE permanent;
CREATE INDEX dead_letters_transient ON dead_letters (project_id, state, created_at DESC, id DESC) WHERE NOT permanent;
CREATE INDEX dead_letters_customer ON dead_letters (project_id, customer_id, created_at DESC, id DESC)
    WHERE customer_id IS NOT NULL;
CREATE INDEX dead_letters_event    ON dead_letters (project_id, event_id, created_at DESC, id DESC);

-- The system scope: events that no webhook took. They lie with the other events and are told apart by an index of their
-- own, so that taking an event in costs nothing more, and routing one again is one UPDATE. An entry's id is its event's.
CREATE INDEX events_unroutable ON events (project_id, created_at DESC, id DESC) WHERE fanout = 0;
CREATE VIEW system_entries AS
    SELECT e.drawer, e.project_id, e.id, 0 AS webhook_id, NULL::uuid AS delivery_id, e.id AS event_id, e.created_at,
           e.created_at AS updated_at, 1::smallint AS state, 22::smallint AS reason, true AS permanent,
           false AS intentional, 0::smallint AS last_status, 0::smallint AS attempt_count, 0::smallint AS generation,
           NULL::smallint AS fingerprint_version, NULL::bytea AS fingerprint, e.type AS event_type, e.channel,
           e.customer_id, e.external_id, e.occurred_at, NULL::timestamptz AS first_attempt_at,
           NULL::timestamptz AS last_attempt_at, 'No webhook takes this event.'::text AS last_error,
           NULL::uuid AS replayed_as, NULL::timestamptz AS decided_at, NULL::text AS decided_by,
           NULL::text AS decided_reason
      FROM events e
     WHERE e.fanout = 0;

-- One warning per type and channel that no webhook takes: '' for no channel. Counted by a trigger that the few events
-- without deliveries pay for alone, and folded by the maintainer; at most 1,000 of a project, the rest as type ''.
CREATE TABLE warning_deltas (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL,
    event_type text NOT NULL,
    channel    text NOT NULL,
    at         timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE TABLE config_warnings (
    project_id    integer NOT NULL,
    event_type    text NOT NULL,
    channel       text NOT NULL,
    n             bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (project_id, event_type, channel)
) WITH (fillfactor = 70);

-- Born, not carried to another drawer: then it would have been made at another time.
CREATE FUNCTION events_unrouted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.created_at = dlo_now() THEN
        INSERT INTO warning_deltas (project_id, event_type, channel, at)
        VALUES (NEW.project_id, NEW.type, coalesce(NEW.channel, ''), NEW.created_at);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER events_unrouted AFTER INSERT ON events FOR EACH ROW WHEN (NEW.fanout = 0)
    EXECUTE FUNCTION events_unrouted();

-- Groups: entries with one fingerprint. Whoever writes an entry leaves deltas here by the two triggers below (whatever the
-- statement: nobody can forget to count), and the maintainer folds them (fold_groups.sql), as it does with dlq_deltas.
CREATE TABLE group_deltas (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id   integer NOT NULL,
    fingerprint  bytea NOT NULL,
    open         bigint NOT NULL,               -- how many more (fewer) are open
    born         bigint NOT NULL DEFAULT 0,     -- how many are new; the rest is set only with new ones
    at           timestamptz,                   -- of the newest of them
    entry_id     uuid,
    entry_drawer integer,
    fingerprint_version smallint,
    webhook_id   integer,
    reason       smallint,
    last_status  smallint
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);

-- At most 1,000 of a project have open entries; what does not fit is counted in the group of sixteen zero bytes ("other").
CREATE TABLE dlq_groups (
    project_id    integer NOT NULL,
    fingerprint   bytea NOT NULL,
    fingerprint_version smallint,
    webhook_id    integer,
    reason        smallint,                     -- of the newest entry
    last_status   smallint,
    open          bigint NOT NULL,
    total         bigint NOT NULL,              -- ever, since first_seen_at
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    entry_id      uuid,                         -- the newest entry
    entry_drawer  integer,
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'parked', 'resolved')),
    assignee      text,
    note          text,
    link          text,
    resolved_at   timestamptz,                  -- an entry that is newer opens the group again
    decided_at    timestamptz,
    decided_by    text,
    version       integer NOT NULL DEFAULT 1,   -- of what people decided, for If-Match
    PRIMARY KEY (project_id, fingerprint)
) WITH (fillfactor = 70);
CREATE INDEX dlq_groups_seen ON dlq_groups (project_id, last_seen_at DESC, fingerprint);

-- New entries a group in steps of 5 minutes (kept for the last hour) and of 60 (kept for a week).
CREATE TABLE group_buckets (
    project_id  integer NOT NULL,
    fingerprint bytea NOT NULL,
    minutes     smallint NOT NULL CHECK (minutes IN (5, 60)),
    at          timestamptz NOT NULL,           -- where the step begins
    n           bigint NOT NULL,
    PRIMARY KEY (project_id, fingerprint, minutes, at)
);
CREATE INDEX group_buckets_at ON group_buckets (minutes, at);

-- New entries an hour, by webhook and reason: what GET /v1/stats shows. Kept 400 days.
CREATE TABLE dlq_stats (
    project_id integer NOT NULL,
    at         timestamptz NOT NULL,
    webhook_id integer NOT NULL,
    reason     smallint NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (project_id, at, webhook_id, reason)
);
CREATE INDEX dlq_stats_at ON dlq_stats (at);

-- Which drawers hold entries of a project: lists name them, instead of opening all there are (fcgi/entry_drawers.h).
-- Written by the triggers below, with the first entry that comes to a drawer; cut when the drawer is gone.
CREATE TABLE dlq_drawers (
    project_id integer NOT NULL,
    drawer     integer NOT NULL,
    PRIMARY KEY (project_id, drawer)
);
INSERT INTO dlq_drawers SELECT DISTINCT d.project_id, d.drawer FROM dead_letters d;

CREATE FUNCTION dead_letters_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dlq_drawers (project_id, drawer)
    SELECT DISTINCT b.project_id, b.drawer FROM born b
     WHERE NOT EXISTS (SELECT FROM dlq_drawers x WHERE x.project_id = b.project_id AND x.drawer = b.drawer)
     ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
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
CREATE TRIGGER dead_letters_born AFTER INSERT ON dead_letters REFERENCING NEW TABLE AS born
    FOR EACH STATEMENT EXECUTE FUNCTION dead_letters_born();

-- Entries that are open now and were not, or the other way round; those that left the counts (see dlq_sweep) move nothing.
-- Runs inside functions that forbid index scans for their own statement, hence the setting.
CREATE FUNCTION dead_letters_moved() RETURNS trigger LANGUAGE plpgsql SET enable_indexscan = on AS $$
BEGIN
    INSERT INTO dlq_drawers (project_id, drawer)
    SELECT DISTINCT a.project_id, a.drawer FROM after a
     WHERE NOT EXISTS (SELECT FROM dlq_drawers x WHERE x.project_id = a.project_id AND x.drawer = a.drawer)
     ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    INSERT INTO group_deltas (project_id, fingerprint, open)
    SELECT m.project_id, m.fingerprint, sum(m.n)
      FROM (SELECT a.project_id, a.fingerprint, a.created_at, 1 AS n FROM after a WHERE a.state = 1
            UNION ALL
            SELECT b.project_id, b.fingerprint, b.created_at, -1 FROM before b WHERE b.state = 1) m
      JOIN projects p ON p.id = m.project_id AND m.created_at > p.counted_from
     GROUP BY m.project_id, m.fingerprint
    HAVING sum(m.n) <> 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER dead_letters_moved AFTER UPDATE ON dead_letters REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION dead_letters_moved();

-- What is there already.
INSERT INTO group_deltas (project_id, fingerprint, open, born, at, entry_id, entry_drawer, fingerprint_version, webhook_id,
                          reason, last_status)
SELECT b.project_id, b.fingerprint, count(*) FILTER (WHERE b.state = 1 AND b.created_at > p.counted_from), count(*),
       max(b.created_at), max(b.id::text)::uuid, max(b.drawer), b.fingerprint_version, b.webhook_id, b.reason, b.last_status
  FROM dead_letters b JOIN projects p ON p.id = b.project_id
 GROUP BY b.project_id, b.fingerprint, b.fingerprint_version, b.webhook_id, b.reason, b.last_status,
          date_bin('1 hour', b.created_at, '2000-01-01Z');

-- What the two roles may do with all this, beside what went before.
ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_bulk;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_bulk(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT UPDATE (fanout) ON events TO %I', api);
        EXECUTE format('GRANT INSERT ON group_deltas, warning_deltas, dlq_drawers TO %I', api);
        EXECUTE format('GRANT UPDATE ON dlq_groups TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON group_deltas, dlq_groups, group_buckets, dlq_stats,
            warning_deltas, config_warnings, dlq_drawers TO %I', worker);
    END IF;
END
$$;
