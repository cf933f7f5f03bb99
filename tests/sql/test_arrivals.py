"""The snapshot rule of worker/sql/arrivals.sql: whatever the commit order, nothing is lost and nothing comes twice."""

import itertools
import random
import threading

import psycopg
import pytest

from harness.statement import all_statements
from harness.wait import eventually

(ARRIVALS,) = [s for s in all_statements("worker") if s.name == "arrivals"]
SHARDS = list(range(64))
hooks = itertools.count(1000)


class Reader:
    """A sender's view: its state is the snapshot of its last poll. Each inserted row has a webhook number of its own."""

    def __init__(self, dsn):
        self.conn = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        self.conn.execute(f"PREPARE arrivals AS {ARRIVALS.text}")
        self.seen = []
        self.take(self.conn.execute("SELECT pg_current_snapshot()::text").fetchone()[0])

    def take(self, snapshot):
        _, self.xmax, running = snapshot.split(":")
        self.xip = [x for x in running.split(",") if x]

    def poll(self):
        """The webhook numbers that are new."""
        rows = self.conn.execute(f"EXECUTE arrivals('{{{','.join(map(str, SHARDS))}}}', '{self.xmax}',"
                                 f" '{{{','.join(self.xip)}}}')").fetchall()
        self.take(rows[0][0])
        new = [hook for _, hook, _, pos, n in rows if hook is not None and pos is not None for _ in range(n)]
        self.seen += new
        return new


@pytest.fixture
def dsn(cluster, database):
    return cluster.dsn("dlo_owner", database)


@pytest.fixture
def reader(dsn):
    one = Reader(dsn)
    yield one
    one.conn.close()


@pytest.fixture
def writer(dsn):
    """Opens transactions; those still open are rolled back."""
    made = []

    def begin():
        conn = psycopg.connect(dsn)
        made.append(conn)
        return conn

    yield begin
    for conn in made:
        conn.close()


def insert(conn, shard=0):
    """One due row; the number by which it is known."""
    hook = next(hooks)
    conn.execute("""INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class,
                      generation, delivery_id, event_id, created_at, ready_at)
                    VALUES (%s, 1, %s, 2, 2000000, 0, 0, 0, gen_random_uuid(), gen_random_uuid(), now(), now())""",
                 [shard, hook])
    return hook


def test_committed_row_comes_once(reader, writer):
    one = writer()
    hook = insert(one)
    one.commit()
    assert reader.poll() == [hook]
    assert reader.poll() == []


def test_row_of_an_open_transaction_comes_after_its_commit(reader, writer):
    one = writer()
    hook = insert(one)
    assert reader.poll() == []
    one.commit()
    assert reader.poll() == [hook]


def test_commit_order_reversed(reader, writer):
    """The first to take a number commits last: a mark on positions would have passed it by."""
    first, second = writer(), writer()
    early = insert(first)
    late = insert(second)
    second.commit()
    assert reader.poll() == [late]
    first.commit()
    assert reader.poll() == [early]
    assert reader.poll() == []


def test_transaction_that_began_before_the_reader_comes(dsn, writer):
    one = writer()
    hook = insert(one)
    reader = Reader(dsn)
    one.commit()
    assert reader.poll() == [hook]
    reader.conn.close()


def test_rolled_back_row_never_comes(reader, writer):
    one = writer()
    insert(one)
    reader.poll()
    one.rollback()
    assert reader.poll() == []


def test_row_of_a_subtransaction_comes(reader, writer):
    one = writer()
    insert(one)
    with one.transaction():
        insert(one)
    assert reader.poll() == []
    one.commit()
    assert len(reader.poll()) == 2


def test_long_writer_in_another_database_loses_and_delays_nothing(reader, writer, cluster):
    with cluster.connect("cluster", "postgres", autocommit=False) as other:
        other.execute("CREATE TEMP TABLE held (x int)")
        other.execute("SELECT pg_current_xact_id()")
        for _ in range(20):
            one = writer()
            hook = insert(one)
            one.commit()
            assert reader.poll() == [hook]
        other.rollback()
    assert reader.poll() == []


def test_changed_webhook_is_told(reader, dsn):
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        project = conn.execute("INSERT INTO projects (public_id, name, plan, retention_s)"
                               " VALUES (gen_random_uuid(), 't', 'free', 86400) RETURNING id").fetchone()[0]
        hook = conn.execute("""
            INSERT INTO webhooks (public_id, project_id, shard, url, event_types, channels, customer_ids, header_names,
              secret_sealed, timeout_ms, max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s,
              enabled)
            VALUES (gen_random_uuid(), %s, 3, 'http://x.test/', '{}', '{}', '{}', '{}', '', 1000, 1, '{1}', 1, '{}', 60,
              true) RETURNING id""", [project]).fetchone()[0]
        reader.poll()
        conn.execute("UPDATE webhooks SET paused_at = now() WHERE id = %s", [hook])
    rows = reader.conn.execute(f"EXECUTE arrivals('{{3}}', '{reader.xmax}', '{{{','.join(reader.xip)}}}')").fetchall()
    assert [(row[1], row[2]) for row in rows] == [(hook, None)]


def test_many_writers_in_random_order(reader, dsn):
    """Eight writers that commit, wait, roll back and overlap at random, polled without a pause."""
    committed, lock = [], threading.Lock()
    rng = random.Random(7)

    def write(seed):
        mine = random.Random(seed)
        with psycopg.connect(dsn) as conn:
            for _ in range(120):
                made = [insert(conn, mine.randrange(64)) for _ in range(mine.randrange(1, 6))]
                if mine.random() < 0.3:
                    conn.execute("SELECT pg_sleep(%s)", [mine.random() / 50])
                if mine.random() < 0.1:
                    conn.rollback()
                    continue
                conn.commit()
                with lock:
                    committed.extend(made)

    threads = [threading.Thread(target=write, args=[rng.random()]) for _ in range(8)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        reader.poll()
    for t in threads:
        t.join()
    eventually(lambda: not reader.poll())
    assert len(reader.seen) == len(set(reader.seen))
    assert set(reader.seen) == set(committed)
