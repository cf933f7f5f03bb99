-- A project's own redaction rules: what its senders leave out of attempts beside what is always left out.

-- {"headers": [names], "jsonPaths": [paths]}; NULL: none. Kept as given, checked by whoever writes it (fcgi/redaction.c).
ALTER TABLE projects ADD COLUMN redaction jsonb;

-- A sender hears of new rules as of any other setting: its webhooks' changed_xid. Their version is for If-Match, and of
-- what their owner set: whoever moves changed_xid alone leaves it as it is.
CREATE OR REPLACE FUNCTION webhooks_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.changed_xid = OLD.changed_xid THEN
        NEW.changed_xid := pg_current_xact_id();
        NEW.version := OLD.version + 1;
        NEW.updated_at := dlo_now();
    END IF;
    RETURN NEW;
END
$$;

-- After the project's row is written, and with a look of its own: a webhook that was being made meanwhile either waited
-- for that row (webhook_lock_plan) or is seen here. Deleted ones send nothing more.
CREATE FUNCTION projects_redaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhooks SET changed_xid = pg_current_xact_id() WHERE project_id = NEW.id AND deleted_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER projects_redaction AFTER UPDATE OF redaction ON projects FOR EACH ROW
    WHEN (OLD.redaction IS DISTINCT FROM NEW.redaction) EXECUTE FUNCTION projects_redaction();
