-- The delivery engine: lanes, shaped bytes, breakers, event types, notices of our own, trials.

-- What a webhook can ask of the sender beyond the spine.
ALTER TABLE webhooks
    ADD COLUMN transform         text,          -- a jq program
    ADD COLUMN payload_schema    text,          -- JSON Schema, as given
    ADD COLUMN max_payload_bytes integer CHECK (max_payload_bytes BETWEEN 1 AND 262144),
    ADD COLUMN rate_per_second   real CHECK (rate_per_second > 0 AND rate_per_second <= 10000),
    ADD COLUMN tls_ca            text,          -- PEM: the only authorities its receiver is checked against
    ADD COLUMN tls_client_sealed bytea,         -- sealed PEM, certificate and key; AAD webhooks|tls|public_id|project
    ADD COLUMN dlq_payload       boolean NOT NULL DEFAULT false, -- $dlq notices carry the payload
    ADD CONSTRAINT webhooks_signing CHECK (signing IN ('v1', 'v1a'));

-- A delivery is shaped once, at its first attempt: what the transform made is kept with that attempt, and every later
-- try, and a re-drive of the snapshot, sends those bytes again. `shaped`: the gates were passed.
ALTER TABLE ready ADD COLUMN shaped boolean NOT NULL DEFAULT false;
ALTER TABLE later ADD COLUMN shaped boolean NOT NULL DEFAULT false;
ALTER TABLE attempts ADD COLUMN dispatched bytea;           -- NULL: the source's own bytes
ALTER TABLE dead_letter_bodies ADD COLUMN dispatched bytea; -- likewise

-- A destination's first attempts, retries and replays are read and served apart, so that one cannot hide the others.
CREATE INDEX ready_lanes ON ready (shard, webhook_id, class, pos);
DROP INDEX ready_heads;

-- Circuit breakers that are not closed. The sender that owns the shard is the only one that writes a row.
CREATE TABLE breakers (
    webhook_id    integer PRIMARY KEY REFERENCES webhooks,
    project_id    integer NOT NULL REFERENCES projects,
    shard         smallint NOT NULL,
    state         smallint NOT NULL CHECK (state IN (1, 2)),    -- open, half_open
    opened_at     timestamptz NOT NULL,
    next_probe_at timestamptz NOT NULL,
    cooldown_s    integer NOT NULL,             -- doubles with each probe that fails
    failures      integer NOT NULL,             -- of `requests`, in the window that opened it
    requests      integer NOT NULL,
    tripped_by    uuid[] NOT NULL               -- deliveries whose attempts opened it, newest first, at most 5
);
CREATE INDEX breakers_shard ON breakers (shard);

-- What producers may send: a schema per event type.
CREATE TABLE event_types (
    project_id  integer NOT NULL REFERENCES projects,
    name        text NOT NULL,
    description text,
    schema      text,                           -- JSON Schema, as given; NULL: anything
    version     integer NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT dlo_now(),
    updated_at  timestamptz NOT NULL DEFAULT dlo_now(),
    PRIMARY KEY (project_id, name)
);

-- News of our own, written with the change that they tell and turned into events on the channel $dlq by the maintainer.
-- Bounded: only for projects that listen (projects.listens), consumed each second, rate-capped.
ALTER TABLE projects ADD COLUMN listens boolean NOT NULL DEFAULT false;
CREATE TABLE notices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects,
    type       text NOT NULL,                   -- dlq.entry.created, webhook.circuit.opened, ...
    webhook_id integer,
    entry_id   uuid,
    entry_drawer integer,
    detail     jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT dlo_now()
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX notices_project ON notices (project_id, id);

-- A transform tried on a sample. The sender that owns the webhook's shard runs it and writes the result; kept an hour.
CREATE TABLE trials (
    id         uuid PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects,
    webhook_id integer NOT NULL REFERENCES webhooks,
    shard      smallint NOT NULL,
    transform  text NOT NULL,
    payload    bytea NOT NULL,
    result     bytea,
    error_code text,
    error      text,
    elapsed_us integer,
    created_at timestamptz NOT NULL DEFAULT dlo_now(),
    done_at    timestamptz
);
CREATE INDEX trials_waiting ON trials (shard) WHERE done_at IS NULL;
CREATE INDEX trials_webhook ON trials (webhook_id, created_at);

-- What the two roles may do with all this, beside the spine's.
ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_spine;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_spine(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON event_types, trials TO %I', api);
        EXECUTE format('GRANT INSERT, DELETE ON notices TO %I', api);
        EXECUTE format('GRANT DELETE ON breakers TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON breakers, notices, trials TO %I', worker);
    END IF;
END
$$;
