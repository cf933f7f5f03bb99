"""Several senders: they share the shards, take over from each other, and no delivery is lost or doubled in peace."""

import os
import signal

import pytest

from harness.wait import eventually

STACK = {"senders": 2}


def owners(stack):
    """{sender's pid: how many shards it holds}."""
    rows = stack.sql("SELECT s.pid, count(*) FROM shard_leases l JOIN senders s USING (owner)"
                     " WHERE l.expires_at > clock_timestamp() GROUP BY 1")
    return dict(rows)


def balanced(stack):
    held = owners(stack)
    return len(held) == 2 and set(held.values()) == {32} and held


def send(project, peer, hooks=24, events=10):
    """Webhooks over many shards, a batch of events to all of them; how many deliveries and below which path."""
    base = peer.path("/ok", record=False)
    for n in range(hooks):
        project.webhook(peer.url(f"{base}/{n}"))
    sent = {"events": [{"eventType": "t", "payload": n} for n in range(events)]}
    results = project.post("/v1/events/batch", sent).json()["results"]
    return base, {r["eventId"] for r in results}, hooks * events


@pytest.fixture(autouse=True)
def in_balance(stack):
    eventually(lambda: balanced(stack), 40)


def test_two_senders_share_the_shards(stack):
    assert set(owners(stack).values()) == {32}


def test_every_shard_has_one_owner(stack):
    rows = stack.sql("SELECT shard FROM shard_leases WHERE owner IS NOT NULL AND expires_at > clock_timestamp()")
    assert len(rows) == 64


def test_all_is_delivered_once(stack, project, peer):
    base, ids, n = send(project, peer)
    eventually(lambda: peer.count(base) >= n, 30)
    assert peer.control("count", prefix=base)["duplicates"] == 0
    assert set(peer.ids(base)) == ids
    eventually(lambda: project.rows("ready") == 0)


def test_killed_senders_work_is_taken_over(stack, project, peer):
    victim = next(iter(balanced(stack)))
    base, ids, n = send(project, peer)
    os.kill(victim, signal.SIGKILL)
    _, more, m = send(project, peer, 0, 20)  # to the same webhooks, while one is dead
    eventually(lambda: peer.control("count", prefix=base, ids="no")["deliveries"] == n + 24 * 20, 40)
    assert set(peer.ids(base)) == ids | more
    assert peer.control("count", prefix=base)["duplicates"] <= 256
    assert victim not in eventually(lambda: balanced(stack), 40)


def test_stopped_sender_loses_its_shards_and_writes_nothing_when_it_wakes(stack, project, peer):
    victim = next(iter(balanced(stack)))
    os.kill(victim, signal.SIGSTOP)
    try:
        base, ids, n = send(project, peer)
        eventually(lambda: peer.control("count", prefix=base, ids="no")["deliveries"] == n, 40)
        eventually(lambda: owners(stack).get(victim) is None)
    finally:
        os.kill(victim, signal.SIGCONT)
    eventually(lambda: balanced(stack), 40)
    base, ids, n = send(project, peer)
    eventually(lambda: peer.control("count", prefix=base, ids="no")["deliveries"] == n + 0, 40)
    eventually(lambda: project.rows("ready") == 0)
    doubled = project.stack.value("SELECT count(*) FROM (SELECT delivery_id FROM attempts WHERE project_id = %s AND ends"
                                  " GROUP BY 1 HAVING count(*) > 1) x", [project.number])
    assert doubled == 0


def test_worker_that_joins_takes_its_share_and_leaves_in_order(stack, project, peer):
    stack.start_worker("second")
    held = eventually(lambda: (h := owners(stack)) and len(h) == 4 and set(h.values()) == {16} and h, 40)
    base, _, n = send(project, peer)
    eventually(lambda: peer.count(base) >= n, 30)
    stack.stop_process("second")
    eventually(lambda: balanced(stack), 40)
    base, _, n = send(project, peer)
    eventually(lambda: peer.count(base) >= n, 30)
    assert peer.control("count", prefix=base)["duplicates"] == 0 and len(held) == 4


def test_backend_of_a_sender_that_is_killed_costs_nothing(stack, project, peer):
    base, ids, n = send(project, peer)
    stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'"
                      " AND usename = 'dlo_worker'")
    eventually(lambda: peer.control("count", prefix=base, ids="no")["deliveries"] == n, 40)
    eventually(lambda: project.rows("ready") == 0)
    assert set(peer.ids(base)) == ids


def test_dead_connections_are_found_whoever_touches_them_first(stack, project, peer):
    """Killed again and again while outcomes are being written: the socket may be closed by a send, not by a read."""
    base = peer.path("/delay/5", record=False)
    for n in range(24):
        project.webhook(peer.url(f"{base}/{n}"))

    def writers():
        return stack.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dlo-sender-outcomes'"
                           " AND datname = current_database()")
    for _ in range(6):
        project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(10)]})
        eventually(lambda: writers() == 2)
        stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'"
                          " AND usename = 'dlo_worker'")
    eventually(lambda: project.rows("ready") == 0, 60)
    assert writers() == 2
    assert peer.control("count", prefix=base, ids="no")["delivered"] == 24 * 60


def test_stopping_ends_what_is_under_way(stack, project, peer):
    """SIGTERM drains: what was sent is written down, so that nothing is sent again."""
    base = peer.path("/delay/1500", record=False)
    project.webhook(peer.url(base))
    project.event()
    eventually(lambda: peer.count(base) == 1)
    assert stack.stop_process("worker") == 0
    assert project.deliveries()[0]["status"] == "delivered"
    stack.start_worker()
    eventually(lambda: balanced(stack), 40)
    assert peer.count(base) == 1


def test_once_sends_what_is_due_and_ends(stack, project, peer):
    stack.stop_process("worker")
    path = peer.path()
    project.webhook(peer.url(path))
    project.event()
    once = stack.start_process("once", [stack.cluster.programs / "dlo-worker", "--config", stack.config, "--once"])
    assert once.child.wait(30) == 0
    del stack.processes["once"]
    assert peer.count(path) == 1 and project.deliveries()[0]["status"] == "delivered"
    stack.start_worker()


def test_sender_whose_row_was_cut_joins_again(stack):
    """After an hour's suspension the maintainer has cut it; uncounted, its share would be another's for ever."""
    assert stack.value("WITH d AS (DELETE FROM senders RETURNING 1) SELECT count(*) FROM d") == 2
    eventually(lambda: stack.value("SELECT count(*) FROM senders") == 2)
