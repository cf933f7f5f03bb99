-- The spine: clock, tenants, webhooks, the hot queue, the drawers, counts, audit.
--
-- Names: a *drawer* is a partition named by the day on which what lies in it may be thrown away. Its key is an
-- integer so that daily and weekly drawers never overlap: days since 1970-01-01 for daily ones (retention up to 31
-- days), 1,000,000 + the Monday on or after it for weekly ones, 2,000,000 for what is held for ever. Weekly drawers
-- do not have to be split when they come near, which one key for both would demand.

-- One clock. now() plus a setting, so that tests can move time; nothing else may be compared with a stored time.
CREATE FUNCTION dlo_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT now() + coalesce(nullif(current_setting('dlo.clock_offset', true), '')::interval, interval '0')
$$;

-- A time as every answer shows it: RFC 3339, UTC, milliseconds.
CREATE FUNCTION dlo_iso(t timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- STABLE, not IMMUTABLE: extract() of a timestamptz is only stable, and a function that claims more is not inlined but
-- parsed anew in each execution of a statement (measured: a third of an event's cost).
CREATE FUNCTION dlo_day(t timestamptz) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT floor(extract(epoch FROM t) / 86400)::integer
$$;

-- plpgsql for the same reason: it uses its arguments twice, so it could not be inlined; plpgsql keeps its plan.
CREATE FUNCTION dlo_drawer(created timestamptz, retention_s integer) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    day integer := floor((extract(epoch FROM created) + retention_s) / 86400)::integer + 1;
BEGIN
    IF retention_s <= 31 * 86400 THEN
        RETURN day;
    END IF;
    -- 1970-01-01 was a Thursday: day 4 was a Monday
    RETURN 1000004 + 7 * ((day - 4 + 6) / 7);
END
$$;

-- A statement that finds, half way, that it must not have begun: everything it did is undone.
CREATE FUNCTION dlo_abort(why text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'DL001', MESSAGE = why;
END
$$;

CREATE TABLE schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- A plan is a row of capabilities; code asks for a capability, never for a name.
CREATE TABLE plans (
    name            text PRIMARY KEY,
    retention_s     integer,                    -- NULL: set per project
    bulk_redrive    boolean NOT NULL,
    max_webhooks    integer NOT NULL,
    max_bulk_items  integer NOT NULL
);
INSERT INTO plans VALUES
    ('free',             86400, false,    20,    1000),
    ('base',         7 * 86400, true,    200,  100000),
    ('growth',      30 * 86400, true,   1000, 1000000),
    ('scale',       90 * 86400, true,   5000, 5000000),
    ('enterprise',        NULL, true,  20000, 5000000);

CREATE TABLE projects (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id      uuid NOT NULL UNIQUE,
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    plan           text NOT NULL REFERENCES plans,
    -- the retention in force; visibility is derived from it, so one UPDATE changes it for everything at once
    retention_s    integer NOT NULL CHECK (retention_s BETWEEN 3600 AND 380 * 86400),
    dedup_window_s integer NOT NULL DEFAULT 86400 CHECK (dedup_window_s BETWEEN 86400 AND 7 * 86400),
    max_payload_bytes integer NOT NULL DEFAULT 262144,
    -- entries created at or before this instant have left the counts (see dlq_sweep.sql)
    counted_from   timestamptz NOT NULL DEFAULT '-infinity',
    version        integer NOT NULL DEFAULT 1,  -- of name and plan, for If-Match
    created_at     timestamptz NOT NULL DEFAULT dlo_now(),
    deleted_at     timestamptz
);

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    project_id integer REFERENCES projects,     -- NULL: an operator key
    hash       bytea NOT NULL UNIQUE,           -- SHA-256 of the whole key; the key has 256 random bits
    hint       text NOT NULL,                   -- its first characters, to tell keys apart
    name       text NOT NULL,
    scopes     text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT dlo_now(),
    revoked_at timestamptz
);

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    login         text NOT NULL UNIQUE,
    password_hash text NOT NULL,                -- PHC string, scrypt
    created_at    timestamptz NOT NULL DEFAULT dlo_now(),
    disabled_at   timestamptz
);

CREATE TABLE memberships (
    user_id    uuid NOT NULL REFERENCES users,
    project_id integer NOT NULL REFERENCES projects,
    scopes     text[] NOT NULL,
    PRIMARY KEY (user_id, project_id)
);

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    csrf_token text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT dlo_now(),
    expires_at timestamptz NOT NULL
);

-- Failed sign-ins per login and address, so that guessing slows down. Bounded by the maintainer (15 minutes).
CREATE TABLE sign_in_failures (
    login text NOT NULL,
    at    timestamptz NOT NULL DEFAULT dlo_now()
);
CREATE INDEX sign_in_failures_at ON sign_in_failures (login, at);

CREATE TABLE webhooks (
    id                integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id         uuid NOT NULL UNIQUE,
    project_id        integer NOT NULL REFERENCES projects,
    shard             smallint NOT NULL CHECK (shard BETWEEN 0 AND 63),
    url               text NOT NULL,
    name              text,
    description       text,
    event_types       text[] NOT NULL,          -- as given; empty: all
    event_regex       text,                     -- those with a star before the end, as one expression
    channels          text[] NOT NULL,
    customer_ids      text[] NOT NULL,
    header_names      text[] NOT NULL,
    headers_sealed    bytea,                    -- sealed JSON object; AAD webhooks|headers|public_id|project
    secret_sealed     bytea NOT NULL,           -- sealed key bytes;  AAD webhooks|secret|public_id|project
    old_secret_sealed bytea,                    -- during a rotation
    old_secret_until  timestamptz,
    signing           text NOT NULL DEFAULT 'v1',
    timeout_ms        integer NOT NULL,
    max_attempts      smallint NOT NULL,
    retry_schedule    integer[] NOT NULL,       -- seconds
    max_concurrency   smallint NOT NULL,
    expected_statuses smallint[] NOT NULL,
    hold_budget_s     integer NOT NULL,
    enabled           boolean NOT NULL,
    disabled_reason   text,
    paused_at         timestamptz,
    retry_now_at      timestamptz,              -- bumped by retry-now: the owner forgets a Retry-After pause
    version           integer NOT NULL DEFAULT 1,
    -- a sender polls for what changed with the same snapshot rule as for ready
    changed_xid       xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at        timestamptz NOT NULL DEFAULT dlo_now(),
    updated_at        timestamptz NOT NULL DEFAULT dlo_now(),
    deleted_at        timestamptz
);
CREATE INDEX webhooks_project ON webhooks (project_id, id) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_changed ON webhooks (shard, changed_xid);

CREATE FUNCTION webhooks_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_xid := pg_current_xact_id();
    NEW.version := OLD.version + 1;
    NEW.updated_at := dlo_now();
    RETURN NEW;
END
$$;
CREATE TRIGGER webhooks_touch BEFORE UPDATE ON webhooks FOR EACH ROW EXECUTE FUNCTION webhooks_touch();

-- Hot: what is to be sent now. A reader's state is the snapshot of its last poll, hence the key.
CREATE SEQUENCE ready_pos;
CREATE TABLE ready (
    shard         smallint NOT NULL,
    ins_xid       xid8 NOT NULL DEFAULT pg_current_xact_id(),
    pos           bigint NOT NULL DEFAULT nextval('ready_pos'),
    project_id    integer NOT NULL,
    webhook_id    integer NOT NULL,
    payload_bytes integer NOT NULL,
    source_drawer integer NOT NULL,             -- where the event, or for a re-drive the entry, lies
    tries         smallint NOT NULL,            -- requests already made
    class         smallint NOT NULL CHECK (class BETWEEN 0 AND 2),      -- live, retry, replay
    generation    smallint NOT NULL,
    delivery_id   uuid NOT NULL,
    event_id      uuid NOT NULL,
    entry_id      uuid,                         -- the entry a re-drive was made from
    created_at    timestamptz NOT NULL,         -- of the delivery
    ready_at      timestamptz NOT NULL,         -- since when it could have been sent: a hold counts from here
    PRIMARY KEY (shard, ins_xid, pos)
) WITH (fillfactor = 100, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX ready_heads ON ready (shard, webhook_id, pos);
CREATE UNIQUE INDEX ready_delivery ON ready (project_id, delivery_id);

-- Hot: what waits for a retry time.
CREATE TABLE later (
    shard         smallint NOT NULL,
    due_at        timestamptz NOT NULL,
    project_id    integer NOT NULL,
    webhook_id    integer NOT NULL,
    payload_bytes integer NOT NULL,
    source_drawer integer NOT NULL,
    tries         smallint NOT NULL,
    class         smallint NOT NULL CHECK (class BETWEEN 0 AND 2),
    generation    smallint NOT NULL,
    delivery_id   uuid NOT NULL,
    event_id      uuid NOT NULL,
    entry_id      uuid,
    created_at    timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX later_due ON later (shard, due_at);
CREATE INDEX later_webhook ON later (webhook_id);
CREATE UNIQUE INDEX later_delivery ON later (project_id, delivery_id);

-- Leases and the senders that hold them. Real time, not dlo_now(): a test that moves the clock by a year must not
-- make every sender lose what it owns.
CREATE TABLE shard_leases (
    shard      smallint PRIMARY KEY,
    owner      uuid,
    epoch      bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO shard_leases (shard) SELECT generate_series(0, 63);

CREATE TABLE senders (
    owner      uuid PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    leaving    boolean NOT NULL DEFAULT false,
    stats      jsonb NOT NULL DEFAULT '{}'      -- counters since started_at, for /metrics
);

-- Filed. No foreign key may point here: it would make dropping a drawer fail.
CREATE TABLE events (
    drawer        integer NOT NULL,
    project_id    integer NOT NULL,
    id            uuid NOT NULL,
    type          text NOT NULL,
    channel       text,
    customer_id   text,
    external_id   text,
    routing_key   text,
    metadata      text,                         -- a JSON object of strings, as text
    occurred_at   timestamptz,
    created_at    timestamptz NOT NULL,
    fanout        integer NOT NULL,
    payload       bytea NOT NULL,
    PRIMARY KEY (project_id, id, drawer)
) PARTITION BY RANGE (drawer);

-- One HTTP request, or (kind 1) a verdict reached without one. Attempts lie in the drawer of their delivery's source.
CREATE TABLE attempts (
    drawer           integer NOT NULL,
    project_id       integer NOT NULL,
    delivery_id      uuid NOT NULL,
    n                smallint NOT NULL,
    kind             smallint NOT NULL CHECK (kind IN (0, 1)),
    webhook_id       integer NOT NULL,
    event_id         uuid NOT NULL,
    entry_id         uuid,                      -- the entry this delivery re-drives
    made_entry_id    uuid,                      -- the entry this attempt ended in
    at               timestamptz NOT NULL,
    delivery_created_at timestamptz NOT NULL,
    generation       smallint NOT NULL,
    outcome          smallint NOT NULL CHECK (outcome BETWEEN 0 AND 3), -- delivered, retry, dead, cancelled
    ends             boolean NOT NULL,          -- the delivery's last row
    reason           smallint NOT NULL CHECK (reason BETWEEN 0 AND 22),
    status_code      smallint NOT NULL,         -- 0: no answer
    error_code       text,
    error            text,
    request_url      text,
    request_headers  text,
    body_sha256      bytea,
    response_headers text,
    response_body    bytea,
    response_truncated boolean NOT NULL,
    dns_us           integer NOT NULL,
    connect_us       integer NOT NULL,
    tls_us           integer NOT NULL,
    ttfb_us          integer NOT NULL,
    total_us         integer NOT NULL,
    remote_address   text,
    PRIMARY KEY (project_id, delivery_id, n, drawer)
) PARTITION BY RANGE (drawer);

-- The ledger, narrow half: what is listed, filtered and decided.
CREATE TABLE dead_letters (
    drawer           integer NOT NULL,
    project_id       integer NOT NULL,
    id               uuid NOT NULL,
    webhook_id       integer NOT NULL,
    delivery_id      uuid NOT NULL,
    event_id         uuid NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    state            smallint NOT NULL CHECK (state BETWEEN 1 AND 7),
    reason           smallint NOT NULL CHECK (reason BETWEEN 1 AND 22),
    permanent        boolean NOT NULL,
    intentional      boolean NOT NULL,
    last_status      smallint NOT NULL,
    attempt_count    smallint NOT NULL,
    generation       smallint NOT NULL,
    fingerprint_version smallint NOT NULL,
    fingerprint      bytea NOT NULL,
    event_type       text NOT NULL,
    channel          text,
    customer_id      text,
    external_id      text,
    occurred_at      timestamptz,
    first_attempt_at timestamptz,
    last_attempt_at  timestamptz,
    last_error       text,
    replayed_as      uuid,                      -- the latest re-drive
    decided_at       timestamptz,               -- discard: when, who, why
    decided_by       text,
    decided_reason   text,
    PRIMARY KEY (project_id, id, drawer)
) PARTITION BY RANGE (drawer);
CREATE INDEX dead_letters_page     ON dead_letters (project_id, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_webhook  ON dead_letters (webhook_id, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_all      ON dead_letters (project_id, created_at DESC, id DESC);
CREATE INDEX dead_letters_external ON dead_letters (project_id, external_id, created_at DESC, id DESC)
    WHERE external_id IS NOT NULL;
CREATE INDEX dead_letters_delivery ON dead_letters (project_id, delivery_id);

-- The ledger, wide half: immutable. What is needed to understand and to repeat the delivery.
CREATE TABLE dead_letter_bodies (
    drawer      integer NOT NULL,
    project_id  integer NOT NULL,
    id          uuid NOT NULL,
    url         text NOT NULL,                  -- the destination as it was, query values redacted
    routing_key text,
    metadata    text,
    template    text,                           -- what the fingerprint was made of
    attempts    jsonb NOT NULL,                 -- see attempt_json()
    payload     bytea NOT NULL,
    PRIMARY KEY (project_id, id, drawer)
) PARTITION BY RANGE (drawer);

-- Kept.
CREATE TABLE redrives (
    delivery_id  uuid PRIMARY KEY,
    entry_id     uuid NOT NULL UNIQUE,          -- at most one pending re-drive
    entry_drawer integer NOT NULL,
    project_id   integer NOT NULL,
    operation_id uuid,
    item         bigint,
    created_at   timestamptz NOT NULL DEFAULT dlo_now()
);

-- Dedup keys of producers, by day of receipt. Around midnight a key is written to both days.
CREATE TABLE event_keys (
    day        integer NOT NULL,
    project_id integer NOT NULL,
    key_hash   bytea NOT NULL,
    event_id   uuid NOT NULL,
    body_hash  bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, key_hash, day)
) PARTITION BY RANGE (day);

-- Counts are deltas: whoever changes a state appends; the maintainer folds.
CREATE TABLE dlq_deltas (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL,
    webhook_id integer NOT NULL,
    channel    text NOT NULL,                   -- '' for none
    reason     smallint NOT NULL,
    state      smallint NOT NULL,
    n          bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX dlq_deltas_project ON dlq_deltas (project_id);

CREATE TABLE dlq_counts (
    project_id integer NOT NULL,
    webhook_id integer NOT NULL,
    channel    text NOT NULL,
    reason     smallint NOT NULL,
    state      smallint NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (project_id, webhook_id, channel, reason, state)
) WITH (fillfactor = 50);

-- What left by expiry, per project and day: nothing leaves silently.
CREATE TABLE expired_counts (
    project_id integer NOT NULL,
    day        integer NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (project_id, day)
);

CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT dlo_now(),
    project_id  integer,
    actor       text NOT NULL,                  -- key_…, usr_…, cli, worker
    action      text NOT NULL,                  -- webhook.create, dlq.discard, …
    object      text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    request_id  text
);
CREATE INDEX audit_log_project ON audit_log (project_id, id);

-- Stored answers of POSTs that carried an Idempotency-Key, 24 h.
CREATE TABLE idempotency_keys (
    key_hash     bytea PRIMARY KEY,             -- SHA-256 of principal, method, path, key
    body_hash    bytea NOT NULL,
    status       integer NOT NULL DEFAULT 0,    -- 0: still running
    content_type text,
    location     text,
    answer       text,
    created_at   timestamptz NOT NULL DEFAULT dlo_now()
);
CREATE INDEX idempotency_keys_at ON idempotency_keys (created_at);

-- One attempt as the ledger keeps it. Bodies are bytes, hence base64; absent values are left out.
CREATE FUNCTION attempt_json(a attempts) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'n', a.n, 'kind', a.kind, 'at', a.at, 'outcome', a.outcome, 'reason', a.reason,
        'statusCode', a.status_code, 'errorCode', a.error_code, 'error', a.error,
        'requestUrl', a.request_url, 'requestHeaders', a.request_headers,
        'bodySha256', encode(a.body_sha256, 'hex'),
        'responseHeaders', a.response_headers, 'responseBody', encode(a.response_body, 'base64'),
        'truncated', a.response_truncated, 'dnsUs', a.dns_us, 'connectUs', a.connect_us, 'tlsUs', a.tls_us,
        'ttfbUs', a.ttfb_us, 'totalUs', a.total_us, 'remoteAddress', a.remote_address));
END
$$;

-- One entry from one state to another; no row if it is no longer in the first. A function because an UPDATE joined to a
-- set may be planned the other way round: every drawer scanned for each batch.
CREATE FUNCTION dlo_entry_move(project integer, entry_drawer integer, entry uuid, from_state smallint, to_state smallint)
RETURNS TABLE (project_id integer, webhook_id integer, channel text, reason smallint, state smallint, counted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY UPDATE dead_letters d SET state = to_state, updated_at = dlo_now()
     WHERE d.project_id = project AND d.id = entry AND d.drawer = entry_drawer AND d.state = from_state
    RETURNING d.project_id, d.webhook_id, d.channel, d.reason, d.state,
              d.created_at > (SELECT p.counted_from FROM projects p WHERE p.id = project); -- else it has left the counts
END
$$;

-- Seed 000's table, as a view over what is open and not expired.
CREATE VIEW dead_letter_queue AS
    SELECT d.id, d.delivery_id, w.public_id AS webhook_id, d.event_id, d.last_error,
           d.attempt_count::integer AS error_count, d.created_at, d.updated_at
      FROM dead_letters d
      JOIN webhooks w ON w.id = d.webhook_id
      JOIN projects p ON p.id = d.project_id
     WHERE d.state = 1 AND d.created_at > dlo_now() - make_interval(secs => p.retention_s);

-- Drawers. Made ahead by dlo migrate and by the maintainer; the names say the day they may go.
CREATE FUNCTION dlo_make_drawer(parent text, lo integer, hi integer, suffix text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    name text := parent || '_' || suffix;
BEGIN
    IF to_regclass(quote_ident(name)) IS NOT NULL THEN
        RETURN 0;
    END IF;
    -- LIKE + ATTACH: PARTITION OF would take ACCESS EXCLUSIVE on the parent, and stall everybody
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', name, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, name, lo,
                   CASE WHEN hi IS NULL THEN 'MAXVALUE' ELSE hi::text END);
    RETURN 1;
END
$$;

CREATE FUNCTION dlo_make_drawers() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    today   integer := dlo_day(dlo_now());
    monday  integer := 4 + 7 * ((today + 1 - 4 + 6) / 7);   -- the first one after today
    parent  text;
    made    integer := 0;
    d       integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('dlo_make_drawers'));
    FOREACH parent IN ARRAY ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies'] LOOP
        FOR d IN today + 1 .. today + 35 LOOP
            made := made + dlo_make_drawer(parent, d, d + 1, to_char(date '1970-01-01' + d, '"d"YYYYMMDD'));
        END LOOP;
        FOR d IN 0 .. 55 LOOP
            made := made + dlo_make_drawer(parent, 1000000 + monday + 7 * d, 1000000 + monday + 7 * d + 7,
                                           to_char(date '1970-01-01' + monday + 7 * d, '"w"YYYYMMDD'));
        END LOOP;
        made := made + dlo_make_drawer(parent, 2000000, NULL, 'held');
    END LOOP;
    FOR d IN today - 8 .. today + 35 LOOP
        made := made + dlo_make_drawer('event_keys', d, d + 1, to_char(date '1970-01-01' + d, '"d"YYYYMMDD'));
    END LOOP;
    RETURN made;
END
$$;

-- Drops one drawer if nothing in it is needed any more. Checked again under its own lock, because a completion may
-- have been about to write there. Returns false when somebody still needs it (then it must be carried first).
CREATE FUNCTION dlo_drop_drawer(drawer_key integer, suffix text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    parent text;
BEGIN
    PERFORM set_config('lock_timeout', '200ms', true);
    LOCK TABLE projects IN SHARE MODE; -- no plan changes between the look and the drop
    IF dlo_drawer_needed(drawer_key) THEN
        RETURN false;
    END IF;
    -- DROP wants the parents. Locking them first, in one order, is what makes this short: with the partition locked
    -- first, every cached plan (they hold the parent and want all partitions) is a deadlock until the timeout.
    LOCK TABLE ONLY events, ONLY attempts, ONLY dead_letters, ONLY dead_letter_bodies IN ACCESS EXCLUSIVE MODE;
    -- What could have come meanwhile is a delivery whose source lies here; expired rows do not become visible again.
    IF dlo_drawer_waited_for(drawer_key) THEN
        RETURN false;
    END IF;
    FOREACH parent IN ARRAY ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', parent || '_' || suffix);
    END LOOP;
    RETURN true;
END
$$;

CREATE FUNCTION dlo_drop_keys(suffix text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('lock_timeout', '200ms', true);
    EXECUTE format('DROP TABLE IF EXISTS %I', 'event_keys_' || suffix);
END
$$;

CREATE FUNCTION dlo_drawer_waited_for(drawer_key integer) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT EXISTS (SELECT FROM ready WHERE source_drawer = drawer_key)
        OR EXISTS (SELECT FROM later WHERE source_drawer = drawer_key)
$$;

-- Is anything in this drawer still needed: a waiting delivery's source, or a row its project may still see?
-- Events of a project whose plan grew count as seen, so that GET /v1/events/{id} keeps the promise too.
CREATE FUNCTION dlo_drawer_needed(drawer_key integer) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT dlo_drawer_waited_for(drawer_key)
        OR EXISTS (SELECT FROM projects p WHERE EXISTS (
                SELECT FROM dead_letters d WHERE d.drawer = drawer_key AND d.project_id = p.id
                   AND d.created_at > dlo_now() - make_interval(secs => p.retention_s)))
        OR EXISTS (SELECT FROM projects p WHERE EXISTS (
                SELECT FROM events e WHERE e.drawer = drawer_key AND e.project_id = p.id
                   AND e.created_at > dlo_now() - make_interval(secs => p.retention_s)))
        OR EXISTS (SELECT FROM projects p WHERE EXISTS (
                SELECT FROM attempts a WHERE a.drawer = drawer_key AND a.project_id = p.id
                   AND a.delivery_created_at > dlo_now() - make_interval(secs => p.retention_s)))
$$;

-- The drawers that exist, with their keys, read from the catalog.
CREATE VIEW drawers AS
    SELECT substring(c.relname FROM length('dead_letters_') + 1) AS suffix,
           (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(\d+)'))[1]::integer AS drawer
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'dead_letters'::regclass;

-- Least privilege for the two roles that run the product. A shared host may have one role: then nothing to do.
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF api <> current_user THEN
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', api);
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %I', api);
        EXECUTE format('GRANT INSERT ON events, ready, later, attempts, event_keys, dlq_deltas, audit_log TO %I', api);
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON projects, api_keys, users, memberships, sessions,
            sign_in_failures, webhooks, redrives, idempotency_keys TO %I', api);
        EXECUTE format('GRANT UPDATE, DELETE ON ready, later TO %I', api);
        EXECUTE format('GRANT UPDATE ON dead_letters TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', worker);
        EXECUTE format('REVOKE SELECT ON users, api_keys, sessions, idempotency_keys FROM %I', worker);
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %I', worker);
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON ready, later, shard_leases, senders, events, attempts,
            dead_letters, dead_letter_bodies, redrives, dlq_deltas, dlq_counts, expired_counts TO %I', worker);
        EXECUTE format('GRANT UPDATE ON webhooks, projects TO %I', worker);
        EXECUTE format('GRANT INSERT ON audit_log TO %I', worker);
        EXECUTE format('GRANT SELECT (created_at), DELETE ON idempotency_keys TO %I', worker);
        EXECUTE format('GRANT SELECT (expires_at), DELETE ON sessions TO %I', worker);
        EXECUTE format('GRANT SELECT, DELETE ON sign_in_failures TO %I', worker);
        EXECUTE format('GRANT EXECUTE ON FUNCTION dlo_make_drawers(), dlo_drop_drawer(integer, text),
            dlo_drop_keys(text) TO %I', worker);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION dlo_make_drawers(), dlo_make_drawer(text, integer, integer, text),
    dlo_drop_drawer(integer, text), dlo_drop_keys(text) FROM PUBLIC;
