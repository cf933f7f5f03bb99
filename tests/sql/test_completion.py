"""worker/sql/complete.sql and complete_final.sql: fenced, and run twice they change nothing."""

import itertools
import threading
import uuid

import pytest

from harness.statement import all_statements
from harness.wait import eventually

STATEMENTS = {s.name: s for s in all_statements("worker") if s.name.startswith("complete")}
DELIVERED, RETRY, DEAD = 0, 1, 2
HTTP_5XX = 2
positions = itertools.count(1)


class Queue:
    """A webhook on one leased shard, with rows that wait in it."""

    def __init__(self, conn, shard):
        self.conn, self.shard, self.owner = conn, shard, uuid.uuid4()
        self.project = conn.execute("INSERT INTO projects (public_id, name, plan, retention_s) VALUES"
                                    " (gen_random_uuid(), 't', 'growth', 30 * 86400) RETURNING id").fetchone()[0]
        self.hook = self.project
        self.epoch = conn.execute("""UPDATE shard_leases SET owner = %s, epoch = epoch + 1,
                                     expires_at = clock_timestamp() + interval '1 minute' WHERE shard = %s
                                     RETURNING epoch""", [self.owner, shard]).fetchone()[0]

    def wait(self):
        """An event and its row in the queue: (pos, delivery)."""
        event, delivery = uuid.uuid4(), uuid.uuid4()
        drawer = self.conn.execute("SELECT dlo_drawer(dlo_now(), 30 * 86400)").fetchone()[0]
        self.conn.execute("""INSERT INTO events (drawer, project_id, id, type, created_at, fanout, payload)
                             VALUES (%s, %s, %s, 'order.paid', dlo_now(), 1, '{}')""", [drawer, self.project, event])
        pos = self.conn.execute("""
            INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                               delivery_id, event_id, created_at, ready_at)
            VALUES (%s, %s, %s, 2, %s, 0, 0, 0, %s, %s, dlo_now(), dlo_now()) RETURNING pos""",
            [self.shard, self.project, self.hook, drawer, delivery, event]).fetchone()[0]
        return pos, delivery

    def edited(self):
        """An entry that is replaying with another payload, so that the queue knows of the new event alone: (pos, delivery, entry)."""
        pos, delivery = self.wait()
        entry = uuid.uuid4()
        drawer = self.conn.execute("UPDATE ready SET class = 2 WHERE delivery_id = %s RETURNING source_drawer", [delivery]).fetchone()[0]
        self.conn.execute("""
            INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state,
                reason, permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint, event_type)
            VALUES (%s, %s, %s, %s, gen_random_uuid(), gen_random_uuid(), dlo_now(), dlo_now(), 2, 2, false, false, 503, 1, 0, 1,
                    '\\x00', 't')""", [drawer, self.project, entry, self.hook])
        self.conn.execute("INSERT INTO redrives (delivery_id, entry_id, entry_drawer, project_id) VALUES (%s, %s, %s, %s)",
                          [delivery, entry, drawer, self.project])
        return pos, delivery, entry, drawer

    def complete(self, pos, delivery, outcome, owner=None, epoch=None, of_class=0):
        """Reports one outcome; the positions that the statement says were there."""
        reason = 0 if outcome == DELIVERED else HTTP_5XX
        drawer = self.conn.execute("SELECT dlo_drawer(dlo_now(), 30 * 86400)").fetchone()[0]
        values = [[self.shard], [self.hook], [pos], [delivery], [1], [0], [outcome], [reason],
                  [204 if outcome == DELIVERED else 503], [1000], [5000], [None], [None], ["http://x.test/"], ["{}"], [b"h"],
                  ["{}"], [b""], [False], [1], [1], [0], [1], [2], ["127.0.0.1"], [of_class], [2], [None]]
        params = [owner or self.owner, [self.shard], [epoch or self.epoch], *values]
        name = "complete_final" if outcome == DEAD else "complete"
        if name == "complete_final":
            params += [[uuid.uuid4()], [False], [False], [b"f" * 16], ["t"], *[drawer] * 8]
        # psycopg binds $1… only under its own marks
        text = STATEMENTS[name].text.replace("%", "%%")
        for n in range(len(params), 0, -1):
            text = text.replace(f"${n}", f"%(p{n})s")
        rows = self.conn.execute(text, {f"p{n}": v for n, v in enumerate(params, 1)}).fetchall()
        return [row[0] for row in rows]

    def count(self, table):
        return self.conn.execute(f"SELECT count(*) FROM {table} WHERE project_id = %s", [self.project]).fetchone()[0]


@pytest.fixture
def queue(cluster, database):
    with cluster.connect("dlo_owner", database) as conn:
        yield Queue(conn, next(positions) % 64)


def test_delivered_row_leaves_the_queue_and_leaves_an_attempt(queue):
    pos, delivery = queue.wait()
    assert queue.complete(pos, delivery, DELIVERED) == [pos]
    assert (queue.count("ready"), queue.count("later"), queue.count("attempts")) == (0, 0, 1)


def test_failed_row_waits_for_its_retry(queue):
    pos, delivery = queue.wait()
    queue.complete(pos, delivery, RETRY)
    assert (queue.count("ready"), queue.count("later"), queue.count("attempts")) == (0, 1, 1)


def test_dead_row_becomes_an_entry_with_its_body_and_count(queue):
    pos, delivery = queue.wait()
    queue.complete(pos, delivery, DEAD)
    assert [queue.count(t) for t in ("ready", "dead_letters", "dead_letter_bodies", "dlq_deltas")] == [0, 1, 1, 1]


@pytest.mark.parametrize("outcome", [DELIVERED, RETRY, DEAD])
def test_second_run_changes_nothing(queue, outcome):
    tables = ("ready", "later", "attempts", "dead_letters", "dead_letter_bodies", "dlq_deltas")
    pos, delivery = queue.wait()
    queue.complete(pos, delivery, outcome)
    before = [queue.count(t) for t in tables]
    assert queue.complete(pos, delivery, outcome) == []
    assert [queue.count(t) for t in tables] == before


@pytest.mark.parametrize("outcome", [DELIVERED, RETRY, DEAD])
def test_owner_that_lost_its_lease_changes_nothing(queue, outcome):
    pos, delivery = queue.wait()
    assert queue.complete(pos, delivery, outcome, epoch=queue.epoch - 1 or 99) == []
    assert queue.complete(pos, delivery, outcome, owner=uuid.uuid4()) == []
    assert (queue.count("ready"), queue.count("attempts")) == (1, 0)


def test_lapsed_lease_changes_nothing(queue):
    pos, delivery = queue.wait()
    queue.conn.execute("UPDATE shard_leases SET expires_at = clock_timestamp() - interval '1 ms' WHERE shard = %s",
                       [queue.shard])
    assert queue.complete(pos, delivery, DELIVERED) == []
    assert queue.count("ready") == 1


def test_position_taken_by_another_delivery_is_left_alone(queue):
    pos, _ = queue.wait()
    assert queue.complete(pos, uuid.uuid4(), DELIVERED) == []
    assert queue.count("ready") == 1


@pytest.mark.parametrize("outcome, state", [(DELIVERED, 3), (DEAD, 4)])
def test_edited_redrive_that_ends_while_its_entry_is_carried(cluster, database, queue, outcome, state):
    """The sender's look is older than the carrying, which it then waits for: once and for all, nothing is sent again."""
    carry = next(s.text for s in all_statements("worker") if s.name == "carry_entries")
    pos, delivery, entry, drawer = queue.edited()
    queue.conn.execute("UPDATE projects SET retention_s = 31 * 86400 WHERE id = %s", [queue.project])
    found = []
    with cluster.connect("dlo_owner", database) as maintainer, cluster.connect("dlo_owner", database) as looker:
        with maintainer.transaction():
            assert maintainer.execute(carry.replace("$1", "%s"), [drawer] * carry.count("$1")).fetchone()[0] == 1
            sender = threading.Thread(daemon=True, target=lambda: found.extend(queue.complete(pos, delivery, outcome, of_class=2)))
            sender.start()
            eventually(lambda: looker.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s",
                                              [queue.conn.info.backend_pid]).fetchone()[0])
        sender.join(10)
        assert found == [pos]
        assert looker.execute("SELECT state, drawer > %s FROM dead_letters WHERE id = %s", [drawer, entry]).fetchone() == (state, True)
    assert queue.count("redrives") == queue.count("ready") == 0
