"""What one receiver, webhook or project may take from another: slots, turns, rates, connections, bytes.

What is told by a time has bounds far from what a quiet machine shows, and from what the unfair order would give.
"""

import json
import time

import pytest

from harness.peer import Peer, most_at_once
from harness.wait import eventually, stays

STACK = {"more": "breaker_requests = 0\n"}
SLOTS = 512  # of the one sender


@pytest.fixture(scope="module")
def hanging():
    """A receiver of its own, so that its open connections are those of who hangs. It answers on all of 127.0.0.0/8."""
    one = Peer(address="0.0.0.0")
    yield one
    one.stop()


def batch(project, n, type="t", payload=None):
    sent = project.post("/v1/events/batch", {"events": [
        {"eventType": type, "payload": i if payload is None else payload} for i in range(n)]})
    assert sent.status == 200, sent


def webhooks(project, urls, **fields):
    return [project.webhook(url, **fields) for url in urls]


def beat(project, n, every=0.05, type="beat"):
    """n events, one after the other, that carry when they were sent."""
    for _ in range(n):
        project.event(type=type, payload={"at": time.time()})
        time.sleep(every)


def latencies(peer, path, n):
    """Seconds from the sending of each beat to its arrival, shortest first."""
    got = peer.wait(path, n, 30)
    return sorted(r.at_ms / 1000 - json.loads(r.body)["at"] for r in got)


def span(requests):
    """Milliseconds from the first to the last."""
    return requests[-1].at_ms - requests[0].at_ms


def most_within(requests, ms):
    times = [r.at_ms for r in requests]
    return max(sum(t <= u < t + ms for u in times) for t in times)


def sweep_away(project):
    """What is left of a flood must not be in the next test's way."""
    project.stack.sql("DELETE FROM ready WHERE project_id = %s", [project.number])
    project.stack.sql("DELETE FROM later WHERE project_id = %s", [project.number])
    project.stack.sql("UPDATE webhooks SET paused_at = now() WHERE project_id = %s", [project.number])


# --- between projects -------------------------------------------------------------------------------------------------


def test_project_with_one_webhook_gets_its_turn_beside_one_with_two_hundred(stack, peer):
    """All slots that good receivers may have are taken: whose turn is it when one comes free?"""
    many, one = stack.project(), stack.project()
    base = peer.path("/delay/300", record=False)
    webhooks(many, [peer.url(f"{base}/{n}") for n in range(200)])
    mine = peer.path("/delay/300", record=False)
    one.webhook(peer.url(mine))
    batch(many, 40)
    eventually(lambda: peer.count(base) > 1500, 30)
    batch(one, 150)
    eventually(lambda: peer.count(mine) == 150)
    assert peer.count(base) < 6500  # 8,000 in all: its 150 did not wait for those
    sweep_away(many)


def test_payloads_that_are_fetched_one_by_one_do_not_keep_others_waiting(stack, peer):
    many, one = stack.project(), stack.project()
    base, mine = peer.path("/ok", record=False), peer.path()
    webhooks(many, [peer.url(f"{base}/{n}") for n in range(100)])
    one.webhook(peer.url(mine))
    beat(one, 1)
    batch(many, 60, payload="x" * 6000)
    beat(one, 30)
    left = many.rows("ready")
    assert left > 0
    assert max(begun_meanwhile(many, r) for r in peer.wait(mine, 31)) < 300  # 6; thousands are waiting
    sweep_away(many)


def begun_meanwhile(project, beat):
    """How many attempts of a project began between the sending of a beat and its arrival."""
    return project.stack.value("SELECT count(*) FROM attempts WHERE project_id = %s AND at BETWEEN to_timestamp(%s) AND to_timestamp(%s)",
                               [project.number, json.loads(beat.body)["at"], beat.at_ms / 1000])


# --- beside receivers that hang ---------------------------------------------------------------------------------------


def test_receivers_that_hang_leave_the_others_alone(stack, peer, hanging):
    stuck, other = stack.project(), stack.project()
    base = hanging.path("/hang", record=False)
    webhooks(stuck, [hanging.url(f"{base}/{n}") for n in range(200)], eventTypes=["t"], timeoutMs=15000)
    ours, theirs = peer.path(), peer.path()
    stuck.webhook(peer.url(ours), eventTypes=["beat"])  # the same project's own good receiver
    other.webhook(peer.url(theirs))
    for project in (stuck, other):
        beat(project, 1)
    batch(stuck, 20)
    eventually(lambda: hanging.count(base) >= 100)
    unknown = peer.path()
    new = stack.project()
    new.webhook(peer.url(unknown))
    for _ in range(25):
        for project in (stuck, other, new):
            beat(project, 1, 0.03)
    for path, n in ((theirs, 26), (ours, 26), (unknown, 25)):  # 0.1 s; the unknown until a second of silence tells who hangs
        assert latencies(peer, path, n)[-1] < 5  # 15 for who waits for those
    assert hanging.control("stats")["open"] >= 190
    sweep_away(stuck)


def test_slow_receivers_hold_at_most_three_tenths_of_the_slots(caps, peer, hanging):
    """Those that are known to be slow; each may be slow once before that."""
    project = caps.project()
    base = hanging.path("/hang", record=False)
    webhooks(project, [f"http://127.1.{n // 200}.{n % 200 + 1}:{hanging.port}{base}/{n}" for n in range(400)],
             timeoutMs=2000, retrySchedule=[1], maxAttempts=20)
    before = hanging.control("stats")["open"]
    batch(project, 4)
    eventually(lambda: hanging.count(base) >= 400 and known_to_be_slow(project) >= 390, 60)
    seen = []
    for _ in range(30):
        seen.append(hanging.control("stats")["open"] - before)
        time.sleep(0.1)
    assert 100 < max(seen) <= SLOTS * 0.3 + 10, seen
    sweep_away(project)


def known_to_be_slow(project):
    return project.stack.value("SELECT count(DISTINCT webhook_id) FROM attempts WHERE project_id = %s", [project.number])


# --- what a webhook asks for ------------------------------------------------------------------------------------------


def test_rate_and_concurrency_are_kept_under_load(stack, project, peer):
    paths = {name: peer.path(mode) for name, mode in (("five", "/ok"), ("half", "/ok"), ("three", "/delay/100"))}
    project.webhook(peer.url(paths["five"]), ratePerSecond=5, eventTypes=["five"])
    project.webhook(peer.url(paths["half"]), ratePerSecond=0.5, eventTypes=["half"])
    project.webhook(peer.url(paths["three"]), maxConcurrency=3, eventTypes=["three"])
    for name, n in (("five", 25), ("half", 3), ("three", 90)):
        batch(project, n, name)
    three = peer.wait(paths["three"], 90)
    assert most_at_once(three, 100) in (2, 3)
    assert 3000 < span(peer.wait(paths["half"], 3)) < 16000  # two seconds each
    five = peer.wait(paths["five"], 25)
    assert most_within(five, 1000) <= 14  # a second's worth at once, and what comes meanwhile: 10, if none of it is late
    assert 3000 < span(five) < 16000  # 4 s
    assert "rate" not in {d["heldBecause"] for d in project.deliveries()}


# --- what a project may do to an address ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caps(make_stack):
    return make_stack(more="breaker_requests = 0\naddress_caps_allowed = true\naddress_concurrency = 4\naddress_rate = 20\n")


def test_address_is_capped_over_all_webhooks_of_a_project(caps, peer):
    """Each of two projects has its own cap, and the webhooks behind one take turns."""
    projects = [caps.project(), caps.project()]
    paths = [[peer.path("/delay/60") for _ in range(5)] for _ in projects]
    for project, mine in zip(projects, paths):
        webhooks(project, [peer.url(path) for path in mine])
    for project in projects:
        batch(project, 16)
    for mine in paths:
        got = sorted((r for path in mine for r in peer.wait(path, 16, 20)), key=lambda r: r.at_ms)
        assert most_at_once(got, 60) in (3, 4) and most_within(got, 1000) <= 50
        assert 2200 < span(got) < 12000  # 80 of them, 20 at once and 20 a second: 3 s; 1.2 by concurrency alone
        first = [r.path for r in got[:40]]
        assert all(4 <= first.count(path) <= 12 for path in mine), {path: first.count(path) for path in mine}


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_large_payloads_are_bounded_by_their_bytes(stack, peer, hanging):
    """Three quarters of 64 MiB at most for receivers that are not known to be good: 192 of 256 KiB."""
    project = stack.project()
    base = hanging.path("/hang", record=False)
    eventually(lambda: hanging.control("stats")["open"] == 1)  # that of the question itself
    webhooks(project, [hanging.url(f"{base}/{n}") for n in range(260)], timeoutMs=8000, maxAttempts=1)
    project.event(payload="x" * (256 * 1024 - 2))
    eventually(lambda: hanging.control("stats")["open"] >= 150)
    stays(lambda: hanging.control("stats")["open"] <= 194, 3)
    sweep_away(project)
