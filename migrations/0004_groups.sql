-- The ledger, found and understood: indexes for the filters, groups of alike failures, the system scope, warnings.

-- Filters that name few rows of many: each value has its own ordered scan (fcgi/entry_filter.c). What names many rows
-- (reason, status, classification) is found on the way through the page's own index.
CREATE INDEX dead_letters_group    ON dead_letters (project_id, fingerprint, state, created_at DESC, id DESC);
CREATE INDEX dead_letters_type     ON dead_letters (project_id, event_type, state, created_at DESC, id DESC);
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

-- What the two roles may do with all this, beside what went before.
ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_0003;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_0003(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT UPDATE (fanout) ON events TO %I', api);
    END IF;
END
$$;
