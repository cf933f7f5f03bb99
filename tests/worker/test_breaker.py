"""Circuit breakers against a receiver that fails: when they open, what they hold, how they probe, close and are told.

What takes long begins with the module (`long_stories`) and is looked at by the tests at its end.
"""

import json
import os
import re
import signal
import time

import pytest

from harness.wait import eventually, stays

ANY = {"If-Match": "*"}
STACK = {"more": "breaker_requests = 5\nbreaker_percent = 50\nbreaker_cooldown = 1\n"}
TRIPPED = 5  # requests that open one here


@pytest.fixture(scope="module", autouse=True)
def long_stories(stack, peer):
    return {"recovery": Recovery(stack, peer), "steady": Steady(stack, peer)}


def send(project, n, type="t"):
    """n events in one call; their ids."""
    sent = project.post("/v1/events/batch", {"events": [{"eventType": type, "payload": i} for i in range(n)]})
    assert sent.status == 200, sent
    return [r["eventId"] for r in sent.json()["results"]]


def patch(project, hook, **fields):
    got = project.patch(f"/v1/webhooks/{hook['id']}", fields, headers=ANY)
    assert got.status == 200, got


def health(project, hook):
    got = project.get(f"/v1/webhooks/{hook['id']}/health")
    assert got.status == 200, got
    return got.json()


def circuit(project, hook):
    return health(project, hook)["circuit"]


def is_open(project, hook):
    return eventually(lambda: (c := circuit(project, hook))["state"] == "open" and c)


def set_up(peer, name, up=True):
    peer.control("up" if up else "down", method="POST", name=name)


def switch(peer):
    """A receiver that is down until `set_up`: its name and path."""
    name = f"n{next(peer.numbers)}"
    return name, peer.path(f"/down-until-told/{name}")


def left_open(project, hook, seconds=3600):
    """As another sender left it, before this one has heard of the webhook. It will not probe by itself in a test's time."""
    project.stack.sql(
        "INSERT INTO breakers (webhook_id, project_id, shard, state, opened_at, next_probe_at, cooldown_s, failures,"
        " requests, tripped_by) SELECT id, project_id, shard, 1, dlo_now(), dlo_now() + make_interval(secs => %s), %s, 9, 10,"
        " '{}' FROM webhooks WHERE project_id = %s AND dlo_id('whk', public_id) = %s",
        [seconds, seconds, project.number, hook["id"]])


def held(project):
    return [d for d in project.deliveries(held="true", limit=200) if d["heldBecause"] == "circuit"]


def notices(project):
    """{type: data of each} of what a listener would hear."""
    rows = project.stack.sql("SELECT convert_from(payload, 'UTF8')::json FROM events WHERE project_id = %s AND channel = '$dlq'"
                             " ORDER BY created_at", [project.number])
    told = {}
    for body, in rows:
        told.setdefault(body["type"], []).append(body["data"])
    return told


# --- stories that take long -------------------------------------------------------------------------------------------


class Recovery:
    """Down, then up: the way back, with somebody who listens."""

    def __init__(self, stack, peer):
        self.project, self.peer = stack.project(), peer
        self.news = peer.path()
        self.project.webhook(peer.url(self.news), channels=["$dlq"])
        name, self.path = switch(peer)
        self.hook = self.project.webhook(peer.url(self.path), channels=["c"], retrySchedule=[1], maxAttempts=20)
        sent = self.project.post("/v1/events/batch", {"events": [
            {"eventType": "t", "channel": "c", "payload": i} for i in range(40)]})
        self.sent = {r["eventId"] for r in sent.json()["results"]}
        self.opened = is_open(self.project, self.hook)
        self.failed = len(peer.requests(self.path))
        set_up(peer, name)

    def heard(self):
        return [json.loads(r.body) for r in self.peer.requests(self.news)]


class Steady:
    """Four of five requests fail, for as long as the module runs."""

    def __init__(self, stack, peer):
        self.stack, self.project = stack, stack.project()
        self.hook = self.project.webhook(peer.url(peer.path("/failing/80")), retrySchedule=[1], maxAttempts=20)
        send(self.project, 500)

    def changes(self):
        """(time, state) of each change, as the worker logged them."""
        log = self.stack.processes["worker"].log.read_text()
        found = re.findall(rf"^(\S+Z) .*webhook={self.hook['id']} circuit=(\w+)", log, re.M)
        return [(stamp(t), state) for t, state in found]


def stamp(text):
    """Seconds of an instant as logs have it."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{rest or 0}")


# --- opening ----------------------------------------------------------------------------------------------------------


def test_permanent_failures_open_it_and_probes_come_one_at_a_time(project, peer):
    """As a deploy that answers 404 for a while: what waits is held, not killed."""
    path = peer.path("/status/404")
    hook = project.webhook(peer.url(path), maxConcurrency=1)
    send(project, 12)
    shown = is_open(project, hook)
    assert (shown["failures"], shown["requests"]) == (5, 5)
    assert set(shown["trippedBy"]) == {r.headers["dlo-delivery-id"] for r in peer.requests(path)[:TRIPPED]}
    waiting = eventually(lambda: len(w := held(project)) == 12 - peer.count(path) and w)
    assert all(d["heldUntil"] and not d["nextAttemptAt"] for d in waiting)
    eventually(lambda: health(project, hook)["held"] == 12 - peer.count(path))
    got = peer.wait(path, TRIPPED + 2)
    assert {e["failureReason"] for e in project.entries()} == {"http_4xx"}
    first, second = (got[n + 1].at_ms - got[n].at_ms for n in (TRIPPED - 1, TRIPPED))
    assert 950 <= first and 1950 <= second  # the cool-down has doubled
    assert eventually(lambda: (c := circuit(project, hook))["state"] == "open" and c)["cooldownSeconds"] in (4, 8)


def test_receiver_that_hangs_gets_one_probe_at_a_time(project, peer):
    path = peer.path("/hang")
    hook = project.webhook(peer.url(path), timeoutMs=400, retrySchedule=[3600])
    send(project, 20)
    is_open(project, hook)
    got = peer.wait(path, TRIPPED + 2)
    first, second = (got[n + 1].at_ms - got[n].at_ms for n in (TRIPPED - 1, TRIPPED))
    assert first >= 950 and second >= 2300  # a second; a time-out and two seconds


def test_expected_statuses_do_not_open_it(project, peer):
    path = peer.path("/status/404")
    hook = project.webhook(peer.url(path), expectedStatuses=[404])
    send(project, 30)
    peer.wait(path, 30)
    eventually(lambda: project.rows("ready") == 0)
    assert circuit(project, hook)["state"] == "closed"


def test_too_few_requests_do_not_open_it(project, peer):
    path = peer.path("/status/500")
    hook = project.webhook(peer.url(path), maxAttempts=1)
    send(project, TRIPPED - 1)
    project.wait_entry(n=TRIPPED - 1)
    stays(lambda: circuit(project, hook)["state"] == "closed", 0.3)


def test_share_below_the_limit_does_not_open_it(project, peer):
    name, path = switch(peer)
    hook = project.webhook(peer.url(path), maxAttempts=1)
    set_up(peer, name)
    send(project, 10)
    peer.wait(path, 10)
    set_up(peer, name, False)
    send(project, 8)
    project.wait_entry(n=8)
    assert circuit(project, hook)["state"] == "closed"
    send(project, 10)
    is_open(project, hook)


def test_neighbours_go_on(project, peer):
    bad, good = peer.path("/status/500"), peer.path()
    broken = project.webhook(peer.url(bad), retrySchedule=[3600])
    fine = project.webhook(peer.url(good))
    sent = send(project, 30)
    is_open(project, broken)
    assert {r.headers["webhook-id"] for r in peer.wait(good, 30)} == set(sent)
    assert circuit(project, fine)["state"] == "closed"


# --- while it is open -------------------------------------------------------------------------------------------------


def test_hold_budget_used_up_makes_entries_that_cite_what_opened_it(project, peer, clock):
    path = peer.path("/status/404")
    hook = project.webhook(peer.url(path), holdBudgetSeconds=3600, maxConcurrency=1)
    send(project, 20)
    tripped_by = is_open(project, hook)["trippedBy"]
    clock("59 minutes")
    stays(lambda: not project.entries(failureReason="circuit_open"), 1.5)
    clock("61 minutes")
    eventually(lambda: project.rows("ready") == 0)
    shown = project.entries(failureReason="circuit_open", limit=200)
    assert len(shown) >= 10 and len(shown) + peer.count(path) == 20
    entry = project.entry(shown[0]["id"])
    assert entry["attemptCount"] == 0 and entry["terminalAttempt"]
    assert re.findall(r"dlv_\w{26}", entry["lastError"]) == tripped_by


def test_open_circuit_survives_a_kill_and_moves_with_its_shard(stack, project, peer):
    base = peer.path("/status/503")
    paths = [f"{base}/{n:02}" for n in range(16)]
    hooks = [project.webhook(peer.url(p), maxConcurrency=1, retrySchedule=[3600]) for p in paths]
    send(project, 10)
    eventually(lambda: project.rows("breakers") == 16)
    before = {p: peer.count(p) for p in paths}
    stack.sql("UPDATE breakers SET state = 1, next_probe_at = dlo_now() + interval '2 minutes', cooldown_s = 120"
              " WHERE project_id = %s", [project.number])
    kill_senders(stack)
    stack.start_worker("second")
    try:
        eventually(lambda: sorted(stack.sql("SELECT count(*) FROM shard_leases WHERE expires_at > clock_timestamp()"
                                            " GROUP BY owner")) == [(32,), (32,)])
        late = {p: peer.count(p) - n for p, n in before.items()}
        assert max(late.values()) <= 1  # a probe may have been on its way
        for hook in hooks:
            assert project.post(f"/v1/webhooks/{hook['id']}/retry-now").status == 200
        eventually(lambda: stack.value("SELECT count(*) FROM breakers WHERE project_id = %s AND cooldown_s = 240",
                                       [project.number]) == 16)
        assert {peer.count(p) - n - late[p] for p, n in before.items()} == {1}
    finally:
        stack.stop_process("second")


def kill_senders(stack):
    for pid, in stack.sql("SELECT pid FROM senders WHERE seen_at > clock_timestamp() - interval '5 seconds'"):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def behind(project, peer):
    """A webhook whose circuit will not probe for an hour, with sixty deliveries behind it; it and its path."""
    path = peer.path()
    hook = project.webhook(peer.url(path))
    left_open(project, hook)
    send(project, 60)
    stays(lambda: peer.count(path) == 0 and len(held(project)) == 60, 0.4)
    return hook, path


def all_at_once(requests):
    """Without the way back by ones and twos, which takes five seconds and more for sixty; this takes a tenth of one."""
    assert requests[-1].at_ms - requests[0].at_ms < 4000


def test_another_url_closes_it_at_once(project, peer, behind):
    hook, _ = behind
    other = peer.path()
    patch(project, hook, url=peer.url(other))
    all_at_once(peer.wait(other, 60))
    assert circuit(project, hook)["state"] == "closed" and project.rows("breakers") == 0


def test_enabling_it_again_closes_it_at_once(project, peer, behind):
    hook, path = behind
    patch(project, hook, enabled=False)
    stays(lambda: peer.count(path) == 0, 0.3)
    patch(project, hook, enabled=True)
    all_at_once(peer.wait(path, 60))
    assert circuit(project, hook)["state"] == "closed"


@pytest.mark.parametrize("how", ["retry-now", "resume"])
def test_it_is_probed_at_once_when_asked(project, peer, behind, how):
    hook, path = behind
    if how == "resume":
        project.post(f"/v1/webhooks/{hook['id']}/pause")
    assert project.post(f"/v1/webhooks/{hook['id']}/{how}").status == 200
    peer.wait(path, 3)
    eventually(lambda: circuit(project, hook)["state"] == "closed")
    assert peer.count(path) < 60  # and then by ones and twos


def test_retry_now_that_finds_it_still_failing_opens_it_for_longer(project, peer):
    path = peer.path("/status/503")
    hook = project.webhook(peer.url(path), retrySchedule=[3600])
    left_open(project, hook, 10)
    send(project, 10)
    project.post(f"/v1/webhooks/{hook['id']}/retry-now")
    eventually(lambda: circuit(project, hook)["cooldownSeconds"] == 20)
    assert peer.count(path) == 1


def test_retry_after_of_an_address_is_forgotten_with_it(project, peer):
    hook = project.webhook(peer.url(peer.path("/status/429?retry-after=3000")))
    send(project, 3)
    eventually(lambda: project.rows("later") >= 1 and project.rows("ready") <= 2)
    good = peer.path()
    patch(project, hook, url=peer.url(good))
    peer.wait(good, 2)


def test_deleted_webhook_has_no_circuit(project, peer):
    path = peer.path("/status/404")
    hook = project.webhook(peer.url(path), maxConcurrency=1)
    send(project, 12)
    is_open(project, hook)
    assert project.delete(f"/v1/webhooks/{hook['id']}").status == 204
    stays(lambda: project.rows("breakers") == 0, 1.6)
    eventually(lambda: project.rows("ready") == project.rows("later") == 0)
    reasons = [e["failureReason"] for e in project.entries(limit=200)]
    assert len(reasons) == 12 and reasons.count("endpoint_disabled") >= 12 - TRIPPED - 1
    assert peer.count(path) <= TRIPPED + 1


def test_closing_by_hand_is_told_once(project, peer):
    project.webhook(peer.url(peer.path()), channels=["$dlq"], eventTypes=["webhook.*"])
    path = peer.path("/status/404")
    hook = project.webhook(peer.url(path), channels=["c"], maxConcurrency=1)
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "channel": "c", "payload": n} for n in range(12)]})
    is_open(project, hook)
    good = peer.path()
    patch(project, hook, url=peer.url(good))
    peer.wait(good, 5)
    eventually(lambda: project.rows("notices") == 0)
    stays(lambda: len(notices(project).get("webhook.circuit.closed", [])) <= 1, 0.5)
    told = notices(project)
    assert len(told["webhook.circuit.opened"]) == len(told["webhook.circuit.closed"]) == 1


# --- the way back -----------------------------------------------------------------------------------------------------


@pytest.fixture
def recovery(long_stories):
    story = long_stories["recovery"]
    eventually(lambda: story.sent <= story.peer.delivered(story.path))
    eventually(lambda: circuit(story.project, story.hook)["state"] == "closed")
    return story


def test_after_closing_the_rate_at_most_doubles_each_second(recovery):
    good = [r.at_ms for r in recovery.peer.requests(recovery.path)][recovery.failed:]
    probes, rest = good[:3], good[3:]
    assert len(rest) >= 30
    for second in range(1, 6):
        assert len([t for t in rest if t < probes[-1] + second * 1000]) <= 2 ** second - 1
    assert rest[-1] - probes[-1] < 24000  # 6 s; at one a second it takes 37


def test_all_that_waited_is_delivered_once_it_has_closed(recovery):
    eventually(lambda: recovery.project.rows("ready") == recovery.project.rows("later") == 0)
    assert not recovery.project.entries()
    done = recovery.project.deliveries(webhookId=recovery.hook["id"], limit=200)
    assert {d["status"] for d in done} == {"delivered"} and len(done) == 40


def test_opening_and_closing_are_told(recovery):
    heard = eventually(lambda: len(h := recovery.heard()) >= 2 and h)
    opened, closed = heard[:2]
    assert (opened["type"], closed["type"]) == ("webhook.circuit.opened", "webhook.circuit.closed") and len(heard) == 2
    data = opened["data"]
    assert (data["webhookId"], data["failures"], data["requests"]) == (recovery.hook["id"], 5, 5)
    assert data["trippedBy"] == recovery.opened["trippedBy"] and len(data["trippedBy"]) == TRIPPED
    assert closed["data"]["webhookId"] == recovery.hook["id"]


def test_steady_failures_open_and_close_it_at_most_once_a_cooldown(long_stories):
    changes = eventually(lambda: len(c := long_stories["steady"].changes()) > 4 and c)
    openings = [t for n, (t, state) in enumerate(changes) if state == "open" and (n == 0 or changes[n - 1][1] == "closed")]
    closings = [t for t, state in changes if state == "closed"]
    assert openings and len(closings) in (len(openings), len(openings) - 1)
    for times in (openings, closings):  # a line of the log may be late, all of them together are not
        assert len(times) < 2 or len(times) - 1 <= times[-1] - times[0] + 1
