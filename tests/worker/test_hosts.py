"""Several workers, as on several hosts: each has a supervisor and a name of its own, and shares nothing but the database."""

import os
import signal
import threading
import time

import pytest

from harness.process import children
from harness.wait import eventually

STACK = {"senders": 2}
HOSTS = ("alpha", "beta", "gamma")


def start(stack, host):
    """A worker of another host: its own configuration, which differs in the name."""
    text = stack.config.read_text()
    own = stack.base / f"{host}.conf"
    own.write_text(text.replace("senders =", f'host_name = "{host}"\nsenders ='))
    os.chmod(own, 0o644)
    stack.start_process(host, [stack.cluster.programs / "dlo-worker", "--config", own])


def shares(stack):
    """{host: {sender's pid: its shards}} of leases that are in force."""
    found = {}
    for host, pid, n in stack.sql("SELECT host, pid, count(*) FROM shard_leases l JOIN senders s USING (owner)"
                                  " WHERE l.expires_at > clock_timestamp() GROUP BY 1, 2"):
        found.setdefault(host, {})[pid] = n
    return found


def balanced(stack, *hosts):
    """Each of the hosts has both its senders, and no sender has more than one shard above another."""
    found = shares(stack)
    counts = [n for of in found.values() for n in of.values()]
    return set(found) == set(hosts) and len(counts) == 2 * len(hosts) and sum(counts) == 64 \
        and max(counts) - min(counts) <= 1


def senders(stack, host):
    return list(shares(stack).get(host, {}))


@pytest.fixture
def hosts(stack):
    """Starts workers by name; those that a test leaves are stopped, and it is balanced between the tests."""
    if "worker" in stack.processes:
        stack.stop_process("worker")

    def start_all(*names):
        for name in names:
            start(stack, name)
        eventually(lambda: balanced(stack, *(h for h in HOSTS if h in stack.processes)))
    yield start_all
    for host in HOSTS:
        if host in stack.processes:
            stack.stop_process(host)


class Load:
    """Events all the time to webhooks over all shards; `sent` when it has ended."""

    def __init__(self, project, peer, mode="/delay/20", hooks=32):
        self.base = peer.path(mode, record=False)
        self.project, self.peer, self.hooks = project, peer, hooks
        for n in range(hooks):
            project.webhook(peer.url(f"{self.base}/{n}"))
        self.events, self.stopped = set(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopped.is_set():
            sent = {"events": [{"eventType": "t", "payload": n} for n in range(4)]}
            self.events |= {r["eventId"] for r in self.project.post("/v1/events/batch", sent).json()["results"]}
            time.sleep(0.03)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def whole(self, repeats=0, timeout=40):
        """Everything arrived, at most so many a second time, and the books say the same."""
        sent = len(self.events) * self.hooks
        eventually(lambda: self.project.rows("ready") + self.project.rows("later") == 0, timeout)
        got = self.peer.control("count", prefix=self.base, ids="no")
        assert sent > 500 and got["deliveries"] == got["delivered"] == sent
        assert self.peer.delivered(self.base) == self.events
        assert got["requests"] - sent <= repeats
        number = self.project.number
        assert self.project.stack.sql(
            "SELECT count(*), count(DISTINCT delivery_id), count(DISTINCT (delivery_id, n)) FILTER (WHERE kind = 0),"
            " count(*) FILTER (WHERE ends) FROM attempts WHERE project_id = %s", [number]) == [(sent, sent, sent, sent)]
        return got["requests"] - sent


def test_workers_join_and_leave_in_order_and_nothing_is_lost_or_sent_twice(stack, hosts, project, peer):
    hosts("alpha")
    with Load(project, peer) as load:
        hosts("beta")
        hosts("gamma")
        stack.stop_process("alpha")
        eventually(lambda: balanced(stack, "beta", "gamma"))
        stack.stop_process("gamma")
        eventually(lambda: balanced(stack, "beta"))
    load.whole()


def test_shares_are_equal_within_seconds(stack, hosts):
    hosts("alpha")
    began = time.monotonic()
    hosts("beta")
    assert time.monotonic() - began < 24  # 3 to 6; 48 if they were given away one at each renewal
    assert sorted(n for of in shares(stack).values() for n in of.values()) == [16, 16, 16, 16]


def test_shares_differ_by_one_at_most_whatever_the_number(stack, hosts):
    """64 shards over seven: a share rounded up would leave the last one four."""
    hosts("alpha", "beta", "gamma")
    text = stack.base / "gamma.conf"
    text.write_text(text.read_text().replace("senders = 2", "senders = 3"))
    stack.processes["gamma"].send(signal.SIGHUP)
    eventually(lambda: sorted(n for of in shares(stack).values() for n in of.values()) == [9] * 6 + [10])


def test_shards_with_requests_that_hang_are_not_those_that_go(stack, hosts, project, peer):
    """Else what else is in them would have to wait for their end."""
    hosts("alpha")
    slow = peer.path("/delay/9000", record=False)
    for n in range(12):
        project.webhook(peer.url(f"{slow}/{n}"), timeoutMs=20000)
    project.event()
    eventually(lambda: peer.count(slow) == 12)

    def whose():
        return dict(stack.sql("SELECT shard, owner FROM shard_leases WHERE shard IN"
                              " (SELECT shard FROM webhooks WHERE project_id = %s)", [project.number]))
    before = whose()
    hosts("beta")
    assert whose() == before
    eventually(lambda: len(project.deliveries(status="delivered")) == 12)
    assert peer.count(slow) == 12


def kill_all(process):
    """As a host dies: everything at once, and nobody says goodbye."""
    pids = [process.pid, *children(process.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # else the kernel's signal would let the senders drain
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    process.child.wait()


def test_dead_workers_shards_are_taken_over_when_their_leases_end(stack, hosts, project, peer):
    hosts("alpha", "beta")
    with Load(project, peer) as load:
        eventually(lambda: len(load.events) > 50)
        under_way = 2 * 512
        kill_all(stack.processes.pop("alpha"))
        ends = stack.value("SELECT max(expires_at) FROM shard_leases JOIN senders USING (owner) WHERE host = 'alpha'")
        eventually(lambda: balanced(stack, "beta"))
        assert stack.value("SELECT clock_timestamp() > %s", [ends])
    print(load.whole(under_way), "sent twice")


def stop_all(pids, number):
    for pid in pids:
        os.kill(pid, number)


def test_stopped_workers_corrupt_nothing_when_they_wake(stack, hosts, project, peer):
    """Past their leases, under load, more than once; and metrics tell of both hosts and of what was lost."""
    hosts("alpha", "beta")
    with Load(project, peer) as load:
        for times, host in enumerate(("alpha", "beta"), 1):
            victims = senders(stack, host)
            stop_all(victims, signal.SIGSTOP)
            try:
                eventually(lambda: not senders(stack, host))
                eventually(lambda: sum(n for of in shares(stack).values() for n in of.values()) == 64)
            finally:
                stop_all(victims, signal.SIGCONT)
            eventually(lambda: balanced(stack, "alpha", "beta"))
            eventually(lambda: lost(stack) >= 32 * times)
    print(load.whole(4 * 512), "sent twice")


def lost(stack):
    text = stack.operator.get("/metrics").body.decode()
    assert 'host="alpha"' in text and 'host="beta"' in text
    return sum(float(line.split()[-1]) for line in text.splitlines() if 'how="lost"' in line)


def waiting_for_locks(stack):
    return stack.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dlo-sender-outcomes'"
                       " AND wait_event_type = 'Lock' AND datname = current_database()")


def test_sender_stopped_in_the_middle_of_a_completion(stack, hosts, project, peer):
    """Its statement waits for a row when it is stopped, and may be carried out after others took its shards over."""
    hosts("alpha", "beta")
    base = peer.path("/delay/1000", record=False)
    for n in range(24):
        project.webhook(peer.url(f"{base}/{n}"))
    with stack.connect() as other:
        project.event()
        eventually(lambda: project.rows("ready") == 24)
        other.execute("BEGIN")
        other.execute("SELECT FROM ready WHERE project_id = %s FOR UPDATE", [project.number])
        eventually(lambda: waiting_for_locks(stack) >= 2)
        victims = senders(stack, "alpha")
        stop_all(victims, signal.SIGSTOP)
        try:
            eventually(lambda: not senders(stack, "alpha"))
            eventually(lambda: balanced(stack, "beta"))
            other.commit()
            eventually(lambda: project.rows("ready") == 0)
        finally:
            stop_all(victims, signal.SIGCONT)
    eventually(lambda: balanced(stack, "alpha", "beta"))
    got = peer.control("count", prefix=base, ids="no")
    assert got["deliveries"] == 24 and got["requests"] <= 2 * 24 and project.rows("ready") == 0
    assert stack.sql("SELECT count(*), count(DISTINCT (delivery_id, n)), bool_and(ends) FROM attempts WHERE project_id = %s",
                     [project.number]) == [(24, 24, True)]
