"""Two calls that lock the same rows do it in the same order."""

import threading

import pytest

from harness.statement import all_statements
from harness.wait import eventually

STATEMENTS = {s.name: s.text for s in all_statements("fcgi")}


def run(conn, name, *params):
    text = STATEMENTS[name].replace("%", "%%")
    for n in range(len(params), 0, -1):
        text = text.replace(f"${n}", f"%(p{n})s")
    return conn.execute(text, {f"p{n}": v for n, v in enumerate(params, 1)}).fetchall()


def hook(conn, channels):
    project = conn.execute("INSERT INTO projects (public_id, name, plan, retention_s) VALUES (gen_random_uuid(), 't', 'growth', 86400)"
                           " RETURNING id").fetchone()[0]
    public, row = conn.execute("""
        INSERT INTO webhooks (public_id, project_id, shard, url, event_types, channels, customer_ids, header_names, secret_sealed,
                              timeout_ms, max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s, enabled)
        VALUES (gen_random_uuid(), %s, 0, 'http://x.test/', '{}', %s, '{}', '{}', '', 1, 1, '{}', 1, '{}', 1, true)
        RETURNING public_id, to_jsonb(webhooks)::text""", [project, channels]).fetchone()
    return project, public, row


def delete(conn, project, public, _):
    return run(conn, "webhook_delete", project, public, "key_1", "whk_1", "r")


def listen(conn, project, public, row):
    return run(conn, "webhook_update", project, public, 1, row.replace('"channels": []', '"channels": ["$dlq"]'), False, None, None,
               False, None, "key_1", "whk_1", "{}", "r")


def hush(conn, project, public, row):
    return run(conn, "webhook_update", project, public, 1, row.replace('["$dlq"]', "[]"), False, None, None, False, None, "key_1",
               "whk_1", "{}", "r")


@pytest.mark.parametrize("change, channels", [(delete, ["$dlq"]), (hush, ["$dlq"]), (listen, [])])
def test_new_redaction_rules_beside_a_webhook_that_listens(cluster, database, change, channels):
    """The rules move a version of the project's webhooks, and the webhook's trigger writes into the project."""
    with cluster.connect("dlo_owner", database) as rules, cluster.connect("dlo_owner", database) as other, \
            cluster.connect("dlo_owner", database) as looker:
        project, public, row = hook(looker, channels)
        done = []
        with rules.transaction():
            rules.execute("SELECT FROM projects WHERE id = %s FOR NO KEY UPDATE", [project])
            thread = threading.Thread(daemon=True, target=lambda: done.append(change(other, project, public, row)))
            thread.start()
            eventually(lambda: looker.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s",
                                              [other.info.backend_pid]).fetchone()[0])
            rules.execute("UPDATE projects SET redaction = '{}' WHERE id = %s", [project])
        thread.join(10)
        assert [len(rows) for rows in done] == [1]
        listens = looker.execute("SELECT listens FROM projects WHERE id = %s", [project]).fetchone()[0]
        assert listens is (change is listen)
