-- Re-drives that differ from the usual one: to the URL that the entry's attempts went to, and with another payload.

-- The URLs that a webhook had before, so that an entry finds its own again: attempts show no query values. Written when
-- the URL moves, nothing per delivery. Kept as readable as webhooks.url.
CREATE TABLE webhook_urls (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects,
    webhook_id integer NOT NULL REFERENCES webhooks,
    url        text NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL DEFAULT dlo_now()
);
CREATE INDEX webhook_urls_webhook ON webhook_urls (webhook_id, until);

-- Re-drives that go to one of them instead of their webhook's URL, also after they have ended: their entry says it.
CREATE TABLE redrive_targets (
    delivery_id uuid PRIMARY KEY,
    project_id  integer NOT NULL REFERENCES projects,
    url_id      integer NOT NULL REFERENCES webhook_urls,
    created_at  timestamptz NOT NULL DEFAULT dlo_now()
);
CREATE INDEX redrive_targets_age ON redrive_targets (project_id, created_at);
CREATE INDEX redrive_targets_url ON redrive_targets (url_id);

-- Events that somebody made from a dead letter with another payload. Their delivery's source is the event, so its hot row
-- names no entry; which one it re-drives stands in redrives, and here.
CREATE TABLE edits (
    event_id      uuid PRIMARY KEY,
    project_id    integer NOT NULL REFERENCES projects,
    delivery_id   uuid NOT NULL UNIQUE,
    entry_id      uuid NOT NULL,
    from_event_id uuid NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT dlo_now()
);
CREATE INDEX edits_age ON edits (project_id, created_at);

ALTER TABLE projects ADD COLUMN edit_redrive boolean NOT NULL DEFAULT false; -- whether edit-re-drive is allowed
ALTER TABLE bulk_items DROP CONSTRAINT bulk_items_cause_check,
    ADD CONSTRAINT bulk_items_cause_check CHECK (cause BETWEEN 0 AND 10) NOT VALID; -- wider: nothing to look through

-- Takes those of these URLs away that nothing goes to. One that a re-drive is just being sent to stays: who writes that
-- holds the row, and the look behind the lock sees who has written it.
CREATE FUNCTION dlo_cut_urls(ids integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held integer[] := ARRAY(SELECT u.id FROM webhook_urls u WHERE u.id = ANY (ids) FOR UPDATE SKIP LOCKED);
BEGIN
    DELETE FROM webhook_urls u
     WHERE u.id = ANY (held) AND NOT EXISTS (SELECT FROM redrive_targets t WHERE t.url_id = u.id);
END
$$;

-- A hundred of a webhook; beyond them the oldest that nothing goes to any more.
CREATE FUNCTION webhooks_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_urls (project_id, webhook_id, url, since)
    VALUES (OLD.project_id, OLD.id, OLD.url,
            coalesce((SELECT max(u.until) FROM webhook_urls u WHERE u.webhook_id = OLD.id), OLD.created_at));
    PERFORM dlo_cut_urls(ARRAY(
        SELECT u.id FROM webhook_urls u WHERE u.webhook_id = OLD.id ORDER BY u.id DESC OFFSET 100));
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_moved AFTER UPDATE OF url ON webhooks FOR EACH ROW WHEN (OLD.url <> NEW.url)
    EXECUTE FUNCTION webhooks_moved();

-- A URL as attempts show it (common/redact.c; a test holds the two against each other).
CREATE FUNCTION dlo_shown_url(url text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT split_part(url, '?', 1)
           || CASE WHEN strpos(url, '?') > 0
                   THEN regexp_replace(substr(url, strpos(url, '?')), '=[^&;]*', '=[redacted]', 'g') ELSE '' END
$$;

-- Where an entry's last request went: 0 the webhook's URL of now, else one of webhook_urls, NULL: not known any more. A
-- sender may have used a URL for a moment after it was moved, so the newest one is meant that was there by then and looks
-- like the one in the attempt.
CREATE FUNCTION dlo_original(project integer, in_drawer integer, entry uuid) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    d dead_letters;
    present text;
    shown text;
    went text;
    found_id integer;
BEGIN
    SELECT x.* INTO d FROM dead_letters x WHERE x.project_id = project AND x.id = entry AND x.drawer = in_drawer;
    SELECT w.url INTO present FROM webhooks w WHERE w.project_id = project AND w.id = d.webhook_id;
    SELECT u.id, u.url INTO found_id, went
      FROM redrive_targets t JOIN webhook_urls u ON u.id = t.url_id
     WHERE t.project_id = project AND t.delivery_id = d.delivery_id;
    IF NOT FOUND THEN
        SELECT coalesce((SELECT a.attempt ->> 'requestUrl'
                           FROM jsonb_array_elements(b.attempts) WITH ORDINALITY a(attempt, n)
                          WHERE (a.attempt ->> 'kind')::integer = 0
                          ORDER BY a.n DESC LIMIT 1), b.url)
          INTO shown
          FROM dead_letter_bodies b WHERE b.project_id = project AND b.id = entry AND b.drawer = in_drawer;
        SELECT v.id, v.url INTO found_id, went
          FROM (SELECT 0 AS id, present AS url,
                       coalesce((SELECT max(u.until) FROM webhook_urls u WHERE u.webhook_id = d.webhook_id), '-infinity') AS since
                UNION ALL
                SELECT u.id, u.url, u.since FROM webhook_urls u
                 WHERE u.project_id = project AND u.webhook_id = d.webhook_id) v
         WHERE v.since <= coalesce(d.last_attempt_at, d.created_at) AND (shown = '' OR dlo_shown_url(v.url) = shown)
         ORDER BY v.since DESC LIMIT 1;
    END IF;
    RETURN CASE WHEN went = present THEN 0 ELSE found_id END;
END
$$;

-- One of the two payloads of an edit, as its audit row keeps them; the bytes up to 256 KiB, the most that is taken in.
CREATE FUNCTION dlo_audit_payload(payload bytea) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('bytes', octet_length(payload), 'sha256', encode(sha256(payload), 'hex'), 'payload',
                              CASE WHEN octet_length(payload) <= 262144 THEN convert_from(payload, 'UTF8') END)
$$;

-- Those payloads are kept no longer than the entry's own: a project's retention, or until it, or what its re-drive became,
-- is purged. Lengths and hashes stay. The indexes hold the rows that have payloads yet.
CREATE INDEX audit_log_edits ON audit_log (project_id, at) WHERE action = 'dlq.edit' AND detail -> 'before' ? 'payload';
CREATE INDEX audit_log_edited ON audit_log (project_id, object) WHERE action = 'dlq.edit' AND detail -> 'before' ? 'payload';

CREATE FUNCTION dlo_erased(detail jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (detail #- '{before,payload}' #- '{after,payload}') || '{"payloadErased": true}'
$$;

-- A hundred a call: each may be half a MiB. From one project that has some to the next.
CREATE FUNCTION dlo_cut_edits() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    WITH RECURSIVE has AS (
        (SELECT l.project_id FROM audit_log l
          WHERE l.action = 'dlq.edit' AND l.detail -> 'before' ? 'payload' AND l.project_id > 0 ORDER BY l.project_id LIMIT 1)
        UNION ALL
        SELECT n.project_id FROM has h CROSS JOIN LATERAL (
            SELECT l.project_id FROM audit_log l
             WHERE l.action = 'dlq.edit' AND l.detail -> 'before' ? 'payload' AND l.project_id > h.project_id
             ORDER BY l.project_id LIMIT 1) n),
    due AS MATERIALIZED (
        SELECT x.id FROM has h JOIN projects p ON p.id = h.project_id CROSS JOIN LATERAL (
            SELECT l.id FROM audit_log l
             WHERE l.action = 'dlq.edit' AND l.detail -> 'before' ? 'payload' AND l.project_id = h.project_id
               AND l.at < dlo_now() - make_interval(secs => p.retention_s)
             ORDER BY l.at LIMIT 100) x
         LIMIT 100),
    cut AS (UPDATE audit_log l SET detail = dlo_erased(l.detail) FROM due WHERE l.id = due.id RETURNING 1)
    SELECT count(*) FROM cut
$$;
REVOKE EXECUTE ON FUNCTION dlo_cut_edits() FROM PUBLIC;

-- Bodies are deleted by a purge alone; drawers are dropped, and carried bodies are updated. The settings: whoever purges
-- has none but places left (dlo_tids_settle).
CREATE FUNCTION bodies_purged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_indexscan = on SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    g record;
    made edits;
BEGIN
    FOR g IN SELECT o.project_id, o.drawer, o.id FROM gone o
              WHERE EXISTS (SELECT FROM audit_log l WHERE l.project_id = o.project_id AND l.action = 'dlq.edit'
                               AND l.detail -> 'before' ? 'payload') LOOP
        SELECT e.* INTO made
          FROM (SELECT d.delivery_id FROM dead_letters d
                 WHERE d.project_id = g.project_id AND d.id = g.id AND d.drawer = g.drawer LIMIT 1) d
          JOIN edits e ON e.delivery_id = d.delivery_id;
        UPDATE audit_log l SET detail = dlo_erased(l.detail)
         WHERE l.project_id = g.project_id AND l.action = 'dlq.edit' AND l.detail -> 'before' ? 'payload'
           AND l.object = ANY (ARRAY[dlo_id('dlq', g.id), dlo_id('dlq', made.entry_id)])
           AND (l.object = dlo_id('dlq', g.id) OR l.detail ->> 'delivery' = made.delivery_id::text);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER bodies_purged AFTER DELETE ON dead_letter_bodies REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION bodies_purged();

-- A re-drive is over: its row, wherever it is by now, as of now.
CREATE FUNCTION dlo_redrive_end(delivery uuid) RETURNS SETOF redrives LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    RETURN QUERY DELETE FROM redrives x WHERE x.delivery_id = delivery RETURNING x.*;
END
$$;

-- What the two roles may do with all this, beside what went before.
ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_before_targets;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_before_targets(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON webhook_urls TO %I', api);
        EXECUTE format('GRANT INSERT ON redrive_targets, edits TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT INSERT, DELETE ON redrive_targets TO %I', worker);
        EXECUTE format('GRANT UPDATE, DELETE ON webhook_urls TO %I', worker);
        EXECUTE format('GRANT DELETE ON edits TO %I', worker);
        EXECUTE format('GRANT EXECUTE ON FUNCTION dlo_cut_edits() TO %I', worker);
    END IF;
END
$$;
