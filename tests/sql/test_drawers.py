"""Drawers: which one a row goes into, that there is one for every plan, that one which is needed stays."""

import datetime
import itertools
import random

import psycopg
import pytest

from harness.statement import all_statements

DAY = 86400
PARENTS = ("events", "attempts", "dead_letters", "dead_letter_bodies")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def conn(cluster, database):
    with cluster.connect("dlo_owner", database) as one:
        yield one


def drawer(conn, created, retention_s):
    return conn.execute("SELECT dlo_drawer(%s, %s)", [created, retention_s]).fetchone()[0]


def moments():
    rng = random.Random(20261123)
    edges = [datetime.datetime(2026, 12, 31, 23, 59, 59, 999999), datetime.datetime(2028, 2, 29),
             datetime.datetime(2027, 3, 28, 1, 30)]
    some = [datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=rng.randrange(5 * 365 * DAY)) for _ in range(150)]
    return [m.replace(tzinfo=datetime.timezone.utc) for m in edges + some]


def day_of(moment):
    return (moment - EPOCH).days


def test_daily_drawer_goes_on_the_day_after_expiry(conn):
    for created, days in itertools.product(moments(), (1, 7, 30, 31)):
        key = drawer(conn, created, days * DAY)
        assert key == day_of(created + datetime.timedelta(days=days)) + 1


def test_weekly_drawer_goes_on_the_first_monday_after_expiry(conn):
    for created, days in itertools.product(moments(), (32, 90, 200, 380)):
        key = drawer(conn, created, days * DAY) - 1_000_000
        first = day_of(created + datetime.timedelta(days=days)) + 1
        assert (EPOCH + datetime.timedelta(days=key)).weekday() == 0
        assert first <= key < first + 7


def test_no_table_has_a_hundred_drawers(conn):
    for parent in (*PARENTS, "event_keys"):
        count = conn.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [parent]).fetchone()[0]
        assert 30 < count < 100, parent


def test_there_is_a_drawer_for_every_retention_today_and_tomorrow(conn):
    missing = conn.execute("""
        SELECT d.days, dlo_drawer(t.at, d.days * 86400) FROM generate_series(1, 380) d(days),
               (VALUES (dlo_now()), (dlo_now() + interval '1 day')) t(at)
         WHERE NOT EXISTS (SELECT FROM drawers x WHERE x.drawer = dlo_drawer(t.at, d.days * 86400))""").fetchall()
    assert missing == []


def test_the_four_tables_have_the_same_drawers(conn):
    def suffixes(parent):
        rows = conn.execute("SELECT substring(inhrelid::regclass::text FROM %s) FROM pg_inherits"
                            " WHERE inhparent = %s::regclass", [len(parent) + 2, parent]).fetchall()
        return {row[0] for row in rows}
    assert len({frozenset(suffixes(p)) for p in PARENTS}) == 1


def test_no_table_has_a_default_drawer(conn):
    found = conn.execute("SELECT partdefid FROM pg_partitioned_table WHERE partdefid <> 0").fetchall()
    assert found == []


def test_nothing_points_into_a_filed_table(conn):
    found = conn.execute("""SELECT conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND confrelid IN (
                              SELECT unnest(ARRAY['events', 'attempts', 'dead_letters', 'dead_letter_bodies'])::regclass)
                         """).fetchall()
    assert found == []


def test_making_drawers_twice_makes_none(conn):
    assert conn.execute("SELECT dlo_make_drawers()").fetchone()[0] == 0


def a_project(conn, retention_s=30 * DAY):
    return conn.execute("INSERT INTO projects (public_id, name, plan, retention_s)"
                        " VALUES (gen_random_uuid(), 't', 'enterprise', %s) RETURNING id", [retention_s]).fetchone()[0]


def an_event(conn, project, key, created="dlo_now()"):
    conn.execute(f"""INSERT INTO events (drawer, project_id, id, type, created_at, fanout, payload)
                     VALUES ({key}, {project}, gen_random_uuid(), 't', {created}, 0, '{{}}')""")


def a_drawer(conn):
    """One far ahead that no other test uses."""
    return conn.execute("SELECT drawer, suffix FROM drawers WHERE drawer < 1000000 ORDER BY drawer DESC"
                        " OFFSET %s LIMIT 1", [next(numbers)]).fetchone()


def exists(conn, suffix):
    return conn.execute("SELECT to_regclass(%s) IS NOT NULL", [f"events_{suffix}"]).fetchone()[0]


def test_empty_drawer_is_dropped_from_all_tables(conn):
    key, suffix = a_drawer(conn)
    assert conn.execute("SELECT dlo_drop_drawer(%s, %s)", [key, suffix]).fetchone()[0] is True
    left = conn.execute("SELECT count(*) FROM pg_class WHERE relname LIKE %s AND relkind = 'r'", [f"%\\_{suffix}"])
    assert left.fetchone()[0] == 1  # event_keys has its own days
    conn.execute("SELECT dlo_make_drawers()")
    assert exists(conn, suffix)


def test_drawer_with_a_visible_event_is_not_dropped(conn):
    key, suffix = a_drawer(conn)
    an_event(conn, a_project(conn), key)
    assert conn.execute("SELECT dlo_drop_drawer(%s, %s)", [key, suffix]).fetchone()[0] is False
    assert exists(conn, suffix)


def test_drawer_with_only_expired_events_is_dropped(conn):
    key, suffix = a_drawer(conn)
    an_event(conn, a_project(conn), key, "dlo_now() - interval '31 days'")
    assert conn.execute("SELECT dlo_drop_drawer(%s, %s)", [key, suffix]).fetchone()[0] is True


@pytest.mark.parametrize("table, column", [("ready", "ready_at"), ("later", "due_at")])
def test_drawer_that_a_waiting_delivery_needs_is_not_dropped(conn, table, column):
    key, suffix = a_drawer(conn)
    project = a_project(conn)
    an_event(conn, project, key, "dlo_now() - interval '31 days'")
    conn.execute(f"""INSERT INTO {table} (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class,
                       generation, delivery_id, event_id, created_at, {column})
                     VALUES (0, {project}, 1, 2, {key}, 0, 0, 0, gen_random_uuid(), gen_random_uuid(), now(), now())""")
    assert conn.execute("SELECT dlo_drop_drawer(%s, %s)", [key, suffix]).fetchone()[0] is False


@pytest.mark.parametrize("name", ["carry_waiting", "carry_entries", "carry_events", "carry_attempts"])
def test_nothing_is_carried_into_the_drawer_it_lies_in(conn, name):
    """As when the clock was set back after the drawer became due: the maintainer repeats the statement until it says 0."""
    project = a_project(conn)
    key = drawer(conn, conn.execute("SELECT dlo_now()").fetchone()[0], 30 * DAY)
    an_event(conn, project, key)
    conn.execute(f"""INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                       delivery_id, event_id, created_at, ready_at)
                     SELECT 0, project_id, 1, 2, drawer, 0, 0, 0, gen_random_uuid(), id, now(), now()
                       FROM events WHERE project_id = {project}""")
    conn.execute(f"""INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at,
                       updated_at, state, reason, permanent, intentional, last_status, attempt_count, generation,
                       fingerprint_version, fingerprint, event_type)
                     SELECT drawer, project_id, gen_random_uuid(), 1, gen_random_uuid(), id, created_at, created_at, 2, 3,
                            true, false, 400, 1, 0, 1, '\\x00', type FROM events WHERE project_id = {project}""")
    statement = next(s.text for s in all_statements("worker") if s.name == name)
    conn.execute(f"PREPARE carrying AS {statement}")
    assert conn.execute(f"EXECUTE carrying({key})").fetchone()[0] == 0
    conn.execute("DEALLOCATE carrying")
    assert conn.execute("SELECT count(*) FROM dead_letters WHERE project_id = %s AND drawer = %s", [project, key]).fetchone()[0] == 1


def test_drawer_in_use_is_not_waited_for(conn, cluster, database):
    key, suffix = a_drawer(conn)
    with cluster.connect("dlo_owner", database, autocommit=False) as other:
        an_event(other, a_project(conn), key, "dlo_now() - interval '31 days'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("SELECT dlo_drop_drawer(%s, %s)", [key, suffix])
    assert exists(conn, suffix)


def test_worker_may_drop_a_drawer_only_through_the_function(conn, cluster, database):
    key, suffix = a_drawer(conn)
    with cluster.connect("dlo_worker", database) as worker:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            worker.execute(f"DROP TABLE events_{suffix}")
        assert worker.execute("SELECT dlo_drop_drawer(%s, %s)", [key, suffix]).fetchone()[0] is True
