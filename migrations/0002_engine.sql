-- The delivery engine: lanes, shaped bytes, breakers, event types, notices of our own, trials.

-- What a webhook can ask of the sender beyond the spine.
ALTER TABLE webhooks
    ADD COLUMN transform         text,          -- a jq program
    ADD COLUMN payload_schema    text,          -- JSON Schema, as given
    ADD COLUMN max_payload_bytes integer CHECK (max_payload_bytes BETWEEN 1 AND 262144),
    ADD COLUMN rate_per_second   real CHECK (rate_per_second > 0 AND rate_per_second <= 10000),
    ADD COLUMN tls_ca            text,          -- PEM: the only authorities its receiver is checked against
    ADD COLUMN tls_client_sealed bytea,         -- sealed PEM, certificate and key; AAD webhooks|tls|public_id|project
    ADD COLUMN tls_client        jsonb,         -- what is shown of its client certificate: subject, notAfter, sha256
    ADD COLUMN public_key        text,          -- whpk_…, of a v1a webhook
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
-- Bounded: only for projects that listen (projects.listens), consumed each second, rate-capped. No foreign key: a
-- completion would wait for whoever holds the project's row.
ALTER TABLE projects
    ADD COLUMN listens   boolean NOT NULL DEFAULT false,        -- a webhook that is not deleted lists $dlq
    ADD COLUMN told_from timestamptz NOT NULL DEFAULT '-infinity', -- the minute in which `told` notices went out singly
    ADD COLUMN told      integer NOT NULL DEFAULT 0;
CREATE TABLE notices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL,
    type       text NOT NULL,                   -- dlq.entry.created, webhook.circuit.opened, ...
    webhook_id integer,
    entry_id   uuid,
    entry_drawer integer,
    detail     jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT dlo_now()
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX notices_project ON notices (project_id, id);

-- The lock first: the look after it sees what those who held it have committed.
CREATE FUNCTION webhooks_listen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM projects WHERE id = NEW.project_id FOR NO KEY UPDATE;
    UPDATE projects p
       SET listens = EXISTS (SELECT FROM webhooks w WHERE w.project_id = p.id AND w.deleted_at IS NULL
                                AND '$dlq' = ANY (w.channels))
     WHERE p.id = NEW.project_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_listen_new AFTER INSERT ON webhooks FOR EACH ROW
    WHEN ('$dlq' = ANY (NEW.channels)) EXECUTE FUNCTION webhooks_listen();
CREATE TRIGGER webhooks_listen AFTER UPDATE OF channels, deleted_at ON webhooks FOR EACH ROW
    WHEN (('$dlq' = ANY (OLD.channels) AND OLD.deleted_at IS NULL)
          <> ('$dlq' = ANY (NEW.channels) AND NEW.deleted_at IS NULL)) EXECUTE FUNCTION webhooks_listen();

-- An id as the wire shows it (common/ids.c): prefix, '_', 128 bits as 26 characters of Crockford base32.
CREATE FUNCTION dlo_id(kind text, id uuid) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT kind || '_' || string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
                                            1 + substring(b.bits FROM 1 + 5 * i FOR 5)::bit(5)::integer, 1), '' ORDER BY i)
      FROM generate_series(0, 25) i, (SELECT B'00' || ('x' || replace(id::text, '-', ''))::bit(128) AS bits) b
$$;

-- An entry as lists show it (fcgi/entry_view.c; a test holds the two against each other). Names of reasons and states
-- are the caller's, by number from 0.
CREATE FUNCTION dlo_entry_json(d dead_letters, url text, w webhooks, expires_at timestamptz, reasons text[], states text[])
RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    why_not text := CASE WHEN d.state = 2 THEN 'already-replaying' WHEN d.state <> 1 THEN 'not-open'
                         WHEN expires_at <= dlo_now() THEN 'payload-expired'
                         WHEN w.deleted_at IS NOT NULL THEN 'webhook-deleted'
                         WHEN NOT w.enabled THEN 'endpoint-disabled' END;
BEGIN
    RETURN jsonb_build_object(
        'id', dlo_id('dlq', d.id), 'gid', dlo_id('dlq', d.id), 'deliveryId', dlo_id('dlv', d.delivery_id),
        'eventId', dlo_id('evt', d.event_id), 'externalId', d.external_id, 'webhookId', dlo_id('whk', w.public_id),
        'subscriptionId', dlo_id('whk', w.public_id), 'channel', d.channel, 'eventType', d.event_type,
        'customerExternalId', d.customer_id, 'occurredAt', dlo_iso(d.occurred_at),
        'failureReason', reasons[1 + d.reason], 'intentional', d.intentional, 'lastError', d.last_error,
        'lastStatusCode', nullif(d.last_status, 0), 'attemptCount', d.attempt_count,
        'firstAttemptAt', dlo_iso(d.first_attempt_at), 'lastAttemptAt', dlo_iso(d.last_attempt_at),
        'createdAt', dlo_iso(d.created_at), 'updatedAt', dlo_iso(d.updated_at), 'expiresAt', dlo_iso(expires_at),
        'state', states[1 + d.state], 'fingerprint', encode(d.fingerprint, 'hex'), 'generation', d.generation,
        'replayedAs', dlo_id('dlv', d.replayed_as), 'destination', jsonb_build_object('type', 'webhook', 'url', url),
        'classification', CASE WHEN d.permanent THEN 'permanent' ELSE 'transient_exhausted' END,
        'retryCount', greatest(d.attempt_count - 1, 0), 'replayable', why_not IS NULL, 'notReplayableReason', why_not,
        'discarded', CASE WHEN d.decided_at IS NOT NULL THEN jsonb_build_object('at', dlo_iso(d.decided_at),
                              'by', d.decided_by, 'reason', d.decided_reason) END);
END
$$;

-- What bounds the audit, which the worker may only add to: the oldest are looked at, those past their time go.
CREATE FUNCTION dlo_cut_audit() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH gone AS (DELETE FROM audit_log
                   WHERE id IN (SELECT id FROM audit_log ORDER BY id LIMIT 10000)
                     AND at < dlo_now() - interval '400 days'
                  RETURNING 1)
    SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION dlo_cut_audit() FROM PUBLIC;

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
CREATE INDEX trials_project ON trials (project_id, created_at);

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
        EXECUTE format('GRANT EXECUTE ON FUNCTION dlo_cut_audit() TO %I', worker);
    END IF;
END
$$;
