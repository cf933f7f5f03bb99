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

-- A hundred of a webhook; beyond them the oldest that nothing goes to any more.
CREATE FUNCTION webhooks_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_urls (project_id, webhook_id, url, since)
    VALUES (OLD.project_id, OLD.id, OLD.url,
            coalesce((SELECT max(u.until) FROM webhook_urls u WHERE u.webhook_id = OLD.id), OLD.created_at));
    DELETE FROM webhook_urls u
     WHERE u.webhook_id = OLD.id
       AND u.id <= (SELECT x.id FROM webhook_urls x WHERE x.webhook_id = OLD.id ORDER BY x.id DESC OFFSET 100 LIMIT 1)
       AND NOT EXISTS (SELECT FROM redrive_targets t WHERE t.url_id = u.id);
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

-- What the two roles may do with all this, beside what went before.
ALTER FUNCTION dlo_grant(text, text) RENAME TO dlo_grant_before_targets;
CREATE FUNCTION dlo_grant(api text, worker text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dlo_grant_before_targets(api, worker);
    IF api <> current_user THEN
        EXECUTE format('GRANT INSERT, DELETE ON webhook_urls TO %I', api);
        EXECUTE format('GRANT INSERT ON redrive_targets, edits TO %I', api);
    END IF;
    IF worker <> current_user THEN
        EXECUTE format('GRANT INSERT, DELETE ON redrive_targets TO %I', worker);
        EXECUTE format('GRANT DELETE ON webhook_urls, edits TO %I', worker);
    END IF;
END
$$;
