"""Load through the API while everything is killed at random: what was accepted arrives, and the books agree.

Senders, responders, their supervisors, backends and the postmaster die by SIGKILL. The harness starts again what
conf/stack's supervisor would (postmaster, dlo-worker, dlo.fcgi); all else must recover by itself. The seed is printed;
DLO_TORTURE_SEED repeats a run as far as the operating system lets it, DLO_TORTURE_SECONDS makes it longer.
"""

import http.client
import os
import random
import signal
import threading
import time

import pytest

from harness.client import Client
from harness.process import children
from harness.wait import eventually

STACK = {"senders": 2, "intake": 3, "desk": 2}
SEED = int(os.environ.get("DLO_TORTURE_SEED", "20261123"))
SECONDS = float(os.environ.get("DLO_TORTURE_SECONDS", "45"))
IN_FLIGHT = 256  # what admission lets one sender have under way: so many may come twice when it dies
HOOKS = {"good": "/ok", "slow": "/delay/30", "flaky": "/flaky/1", "bad": "/status/400"}


class Producer(threading.Thread):
    """Sends events with a key each, and each again until it is answered, as a producer should."""

    def __init__(self, project, number, rng):
        super().__init__()
        self.client = Client(project.port, project.key, timeout=10)
        self.number, self.rng = number, rng
        self.accepted, self.strange = {}, []
        self.stopping = threading.Event()

    def run(self):
        serial = 0
        while not self.stopping.is_set():
            serial += 1
            if self.rng.random() < 0.1:
                self.send_batch(serial)
            else:
                self.send_one(serial)
            self.stopping.wait(self.rng.expovariate(40))

    def event(self, key):
        return {"eventType": "t", "payload": {"key": key}, "externalId": key}

    def until_answered(self, path, body):
        """None when the end came before an answer: then nothing is known about it."""
        while True:
            try:
                got = self.client.post(path, body)
            except (OSError, http.client.HTTPException):
                got = None
            if got is not None and got.status < 500:
                return got
            if self.stopping.wait(0.1):
                return None

    def send_one(self, serial):
        key = f"{self.number}-{serial}"
        got = self.until_answered("/v1/events", self.event(key))
        if got is None:
            return
        if got.status in (200, 202):
            self.accepted[key] = got.json()["eventId"]
        else:
            self.strange.append(got)

    def send_batch(self, serial):
        keys = [f"{self.number}-{serial}-{n}" for n in range(10)]
        got = self.until_answered("/v1/events/batch", {"events": [self.event(key) for key in keys]})
        if got is None:
            return
        if got.status != 200:
            self.strange.append(got)
            return
        for key, result in zip(keys, got.json()["results"]):
            if result["status"] in ("accepted", "duplicate"):
                self.accepted[key] = result["eventId"]
            else:
                self.strange.append(result)


class Killer:
    """One blow at a time, from a list that the seed decides."""

    def __init__(self, stack, rng):
        self.stack, self.rng = stack, rng
        self.done = []
        self.blows = ([self.sender] * 8 + [self.responder] * 6 + [self.backend] * 6 + [self.postmaster] * 2 + [self.worker] +
                      [self.fcgi])

    def child_of(self, name):
        """A sender or maintainer; an intake, desk or waker."""
        running = children(self.stack.processes[name].pid)
        return self.rng.choice(sorted(running)) if running else None

    def strike(self):
        blow = self.rng.choice(self.blows)
        blow()
        self.done.append(blow.__name__)

    def kill_child(self, name):
        pid = self.child_of(name)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def sender(self):
        self.kill_child("worker")

    def responder(self):
        self.kill_child("fcgi")

    def backend(self):
        self.stack.cluster.sql(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE usename IN ('dlo_api', 'dlo_worker')"
            f" ORDER BY hashtext(pid::text || '{self.rng.random()}') LIMIT 1) x")

    def postmaster(self):
        self.stack.cluster.kill_and_restart()

    def worker(self):
        self.stack.processes["worker"].kill()
        self.stack.start_worker()

    def fcgi(self):
        self.stack.processes["fcgi"].kill()
        # its orphans still answer what they had begun, and keep the sockets until then
        eventually(lambda: self.stack.start_fcgi().alive(), 30, 0.2)

    def repeats_allowed(self):
        """A sender's death costs what it had under way; a database that was away may cost each sender that."""
        senders = self.done.count("sender") + 2 * self.done.count("worker") + 2 * self.done.count("postmaster")
        return IN_FLIGHT * senders


class Run:
    """What happened, for the tests to look at."""

    def __init__(self, stack, peer):
        print(f"DLO_TORTURE_SEED={SEED}")
        rng = random.Random(SEED)
        self.stack, self.peer, self.project = stack, peer, stack.project()
        base = peer.path("/ok", record=False)[len("/ok"):]
        self.paths = {name: f"{mode}{base}-{name}" for name, mode in HOOKS.items()}
        for name, path in self.paths.items():
            # what they answer is expected: an open circuit would hold what must have ended when this is over
            self.project.webhook(peer.url(path), name=name, retrySchedule=[1], maxAttempts=20,
                                 expectedStatuses=[400, 404, 410, 500, 502, 503])
        self.killer = Killer(stack, rng)
        producers = [Producer(self.project, n, random.Random(rng.random())) for n in range(4)]
        for p in producers:
            p.start()
        try:
            self.torture(rng)
        finally:
            for p in producers:
                p.stopping.set()
            for p in producers:
                p.join()
        self.accepted = {key: event for p in producers for key, event in p.accepted.items()}
        self.strange = [s for p in producers for s in p.strange]
        print(f"{len(self.accepted)} accepted; blows: {' '.join(self.killer.done)}")

    def torture(self, rng):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.3, 1.2))
            self.killer.strike()

    def settle(self):
        """Nothing waits any more."""
        eventually(lambda: self.project.rows("ready") == 0 and self.project.rows("later") == 0, 90, 0.2)

    def stored(self):
        rows = self.stack.sql("SELECT external_id FROM events WHERE project_id = %s", [self.project.number])
        return {key for (key,) in rows}


@pytest.fixture(scope="module")
def run(stack, peer):
    one = Run(stack, peer)
    one.settle()
    return one


def test_there_was_load_and_there_were_blows(run):
    assert len(run.accepted) > 200
    assert {"sender", "responder", "backend", "postmaster"} <= set(run.killer.done)


def test_every_answer_was_an_honest_one(run):
    assert run.strange == []


def test_all_that_was_accepted_is_stored_once(run):
    stored = run.stored()
    assert set(run.accepted) <= stored
    assert run.project.rows("events") == len(stored)
    assert len(set(run.accepted.values())) == len(run.accepted)


@pytest.mark.parametrize("hook", ["good", "slow", "flaky"])
def test_all_that_was_accepted_arrived(run, hook):
    missing = set(run.accepted.values()) - run.peer.delivered(run.paths[hook])
    assert not missing, f"{len(missing)} of {len(run.accepted)}"


def test_nothing_arrived_that_was_not_sent(run):
    stored = {row[0] for row in run.stack.sql("SELECT count(*) FROM events WHERE project_id = %s", [run.project.number])}
    assert len(run.peer.ids(run.paths["good"])) == stored.pop()


def test_every_delivery_ended_once(run):
    n = run.project.rows("events") * len(HOOKS)
    ended, distinct = run.stack.sql("SELECT count(*), count(DISTINCT delivery_id) FROM attempts WHERE project_id = %s AND ends",
                                    [run.project.number])[0]
    assert ended == distinct == n


def test_what_was_refused_is_dead_lettered_and_nothing_else(run):
    rows = run.stack.sql("SELECT w.name, d.reason, count(*), count(DISTINCT d.event_id) FROM dead_letters d"
                         " JOIN webhooks w ON w.id = d.webhook_id WHERE d.project_id = %s GROUP BY 1, 2", [run.project.number])
    n = run.project.rows("events")
    assert rows == [("bad", 3, n, n)]
    assert run.project.rows("dead_letter_bodies") == n


def test_totals_are_exact(run):
    def total():
        return run.project.get("/v1/dlq?count=exact&limit=1").json()["total"]
    n = run.project.rows("dead_letters")
    assert total() == n
    eventually(lambda: run.project.rows("dlq_deltas") == 0)
    assert total() == n == run.project.get("/dlq").json()["pagination"]["total"]


def test_repeats_are_few(run):
    allowed = run.killer.repeats_allowed()
    for hook in ("good", "slow", "bad"):
        repeats = run.peer.control("count", prefix=run.paths[hook])["duplicates"]
        print(hook, "repeats:", repeats, "allowed:", allowed)
        assert repeats <= allowed


def test_stack_is_well_afterwards(run):
    eventually(lambda: run.stack.anybody.get("/readyz").status == 200, 30)
    eventually(lambda: run.stack.value("SELECT count(*) FROM shard_leases WHERE expires_at > clock_timestamp()") == 64, 30)
    path = run.peer.path()
    run.project.webhook(run.peer.url(path), eventTypes=["after"])
    run.project.event(type="after")
    run.peer.wait(path)
