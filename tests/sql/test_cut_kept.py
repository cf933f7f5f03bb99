"""worker/sql/cut_kept.sql: the kept tables lose what is past its time, and nothing else."""

import pytest

from harness.statement import all_statements

STATEMENTS = {s.name: s.text for s in all_statements("worker")}
CUT = STATEMENTS["cut_kept"]


@pytest.fixture
def worker(cluster, database):
    with cluster.connect("dlo_worker", database) as conn:
        yield conn


@pytest.fixture
def owner(cluster, database):
    with cluster.connect("dlo_owner", database) as conn:
        yield conn


def test_audit_is_kept_for_400_days(owner, worker):
    for days in (500, 401, 399, 1):
        owner.execute("INSERT INTO audit_log (at, actor, action, object) VALUES (now() - make_interval(days => %s), 'cli', 'x', %s)",
                      [days, str(days)])
    assert worker.execute(CUT).fetchone()[0] == 2
    assert [row[0] for row in owner.execute("SELECT object FROM audit_log ORDER BY id")] == ["399", "1"]


def edits_of(owner, days, ages, n=1):
    """A project, and audit rows of edits of these ages in days."""
    project = owner.execute("INSERT INTO projects (public_id, name, plan, retention_s) VALUES (gen_random_uuid(), 't', 'growth',"
                            " %s * 86400) RETURNING id", [days]).fetchone()[0]
    for age in ages:
        owner.execute("""INSERT INTO audit_log (at, project_id, actor, action, object, detail)
                         SELECT dlo_now() - make_interval(hours => (24 * %s)::int), %s, 'key_1', 'dlq.edit', %s,
                                jsonb_build_object('reason', 'r', 'before', dlo_audit_payload('{"a":1}'),
                                                   'after', dlo_audit_payload('{"a":2}'))
                           FROM generate_series(1, %s)""", [age, project, str(age), n])
    return project


def kept(owner, project):
    return [row[0] for row in owner.execute("SELECT object FROM audit_log WHERE project_id = %s AND detail -> 'after' ? 'payload'"
                                            " ORDER BY id", [project])]


def test_payloads_of_edits_are_kept_as_long_as_entries(owner, worker):
    short, long = edits_of(owner, 1, [3, 1.5, 0.5]), edits_of(owner, 30, [31, 3])
    worker.execute(CUT)
    assert (kept(owner, short), kept(owner, long)) == (["0.5"], ["3"])
    rows = owner.execute("SELECT detail FROM audit_log WHERE project_id = %s ORDER BY id", [short]).fetchall()
    told = rows[0][0]
    assert len(rows) == 3 and told["reason"] == "r" and told["payloadErased"] is True
    assert told["before"] == {"bytes": 7, "sha256": rows[2][0]["before"]["sha256"]} and set(told["after"]) == {"bytes", "sha256"}


def test_payloads_of_edits_go_some_at_a_time(owner, worker):
    project = edits_of(owner, 1, [2], 250)
    left = []
    while not left or left[-1]:
        worker.execute(CUT)
        left.append(len(kept(owner, project)))
    assert left == [150, 50, 0]


def test_body_that_is_carried_erases_nothing_and_one_that_is_deleted_does(owner):
    project, entry = edits_of(owner, 30, [1]), "00000000-0000-7000-8000-000000000001"
    owner.execute("UPDATE audit_log SET object = dlo_id('dlq', %s) WHERE project_id = %s", [entry, project])
    first, second = [row[0] for row in owner.execute("SELECT drawer FROM drawers WHERE drawer < 1000000 ORDER BY drawer LIMIT 2")]
    owner.execute("INSERT INTO dead_letter_bodies (drawer, project_id, id, url, attempts, payload) VALUES (%s, %s, %s, '', '[]', '1')",
                  [first, project, entry])
    assert owner.execute("UPDATE dead_letter_bodies SET drawer = %s WHERE project_id = %s", [second, project]).rowcount == 1
    assert len(kept(owner, project)) == 1
    assert owner.execute("DELETE FROM dead_letter_bodies WHERE project_id = %s", [project]).rowcount == 1
    assert kept(owner, project) == []


def test_nothing_to_erase_reads_an_index_alone(owner):
    owner.execute("INSERT INTO audit_log (project_id, actor, action, object) SELECT 1, 'cli', 'x', 'y' FROM generate_series(1, 20000)")
    owner.execute("ANALYZE audit_log")
    with owner.transaction():
        assert owner.execute("SELECT dlo_cut_edits()").fetchone()[0] == 0
        read = owner.execute("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
                             " WHERE relname = 'audit_log'").fetchone()[0]
        assert read < 100


def test_url_that_a_redrive_is_just_being_sent_to_stays(cluster, database, owner, worker):
    """The cut passes it by, and cuts the others."""
    project = owner.execute("INSERT INTO projects (public_id, name, plan, retention_s) VALUES (gen_random_uuid(), 't', 'growth', 86400)"
                            " RETURNING id").fetchone()[0]
    hook = owner.execute("""
        INSERT INTO webhooks (public_id, project_id, shard, url, event_types, channels, customer_ids, header_names, secret_sealed,
                              timeout_ms, max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s, enabled)
        VALUES (gen_random_uuid(), %s, 0, 'http://x.test/', '{}', '{}', '{}', '{}', '', 1, 1, '{}', 1, '{}', 1, true)
        RETURNING id""", [project]).fetchone()[0]
    urls = [owner.execute("INSERT INTO webhook_urls (project_id, webhook_id, url, since, until) VALUES (%s, %s, 'http://y.test/',"
                          " '2020-01-01', '2020-01-02') RETURNING id", [project, hook]).fetchone()[0] for _ in range(2)]
    with cluster.connect("dlo_owner", database) as sender, sender.transaction():
        sender.execute("INSERT INTO redrive_targets (delivery_id, project_id, url_id) VALUES (gen_random_uuid(), %s, %s)", [project, urls[0]])
        worker.execute("SET statement_timeout = '5s'")
        worker.execute(CUT)
    assert [row[0] for row in owner.execute("SELECT id FROM webhook_urls WHERE project_id = %s", [project])] == [urls[0]]
    worker.execute(CUT)
    assert owner.execute("SELECT count(*) FROM webhook_urls WHERE project_id = %s", [project]).fetchone()[0] == 1


@pytest.mark.parametrize("function", ["dlo_cut_edits()", "dlo_cut_audit()"])
def test_clients_side_may_not_cut(cluster, database, function):
    with cluster.connect("dlo_api", database) as conn, pytest.raises(Exception, match="permission denied"):
        conn.execute(f"SELECT {function}")


@pytest.mark.parametrize("statement", ["DELETE FROM audit_log", "UPDATE audit_log SET actor = 'x'"])
def test_worker_itself_may_not_change_the_audit(worker, statement):
    with pytest.raises(Exception, match="permission denied"):
        worker.execute(statement)


def test_groups_without_open_entries_are_bounded_also_when_a_count_has_drifted(owner, worker):
    project = owner.execute("INSERT INTO projects (public_id, name, plan, retention_s) VALUES (gen_random_uuid(), 't', 'growth', 86400)"
                            " RETURNING id").fetchone()[0]
    owner.execute("""INSERT INTO dlq_groups (project_id, fingerprint, open, total, first_seen_at, last_seen_at)
                     SELECT %s, decode(md5(g::text), 'hex'), CASE WHEN g < 3 THEN -1 WHEN g < 5 THEN 1 ELSE 0 END, 1, dlo_now(),
                            dlo_now() + g * interval '1 s'
                       FROM generate_series(1, 510) g""", [project])
    assert worker.execute(STATEMENTS["cut_groups"]).fetchone()[0] == 8
    left = owner.execute("SELECT open, count(*) FROM dlq_groups WHERE project_id = %s GROUP BY 1 ORDER BY 1", [project]).fetchall()
    assert left == [(0, 500), (1, 2)]
