"""worker/sql/cut_kept.sql: the kept tables lose what is past its time, and nothing else."""

import pytest

from harness.statement import all_statements

CUT = next(s.text for s in all_statements("worker") if s.name == "cut_kept")


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


@pytest.mark.parametrize("statement", ["DELETE FROM audit_log", "UPDATE audit_log SET actor = 'x'"])
def test_worker_itself_may_not_change_the_audit(worker, statement):
    with pytest.raises(Exception, match="permission denied"):
        worker.execute(statement)


def test_others_may_not_cut_the_audit(cluster, database):
    with cluster.connect("dlo_api", database) as conn, pytest.raises(Exception, match="permission denied"):
        conn.execute("SELECT dlo_cut_audit()")
