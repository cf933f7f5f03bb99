"""Lanes of a destination, and what waits there when its webhook is paused, disabled or deleted: nothing is in limbo."""

import time

import pytest

from harness.peer import most_at_once
from harness.wait import eventually, stays

ANY = {"If-Match": "*"}
STACK = {"more": "breaker_requests = 5\nbreaker_cooldown = 1\n"}


def batch(project, n, type="t"):
    sent = project.post("/v1/events/batch", {"events": [{"eventType": type, "payload": {"n": i}} for i in range(n)]})
    assert sent.status == 200, sent
    return {r["eventId"] for r in sent.json()["results"]}


def post(project, hook, act):
    got = project.post(f"/v1/webhooks/{hook['id']}/{act}")
    assert got.status == 200, got


def patch(project, hook, **fields):
    got = project.patch(f"/v1/webhooks/{hook['id']}", fields, headers=ANY)
    assert got.status == 200, got


def reclass(project, to):
    """As if they had been tried before, or re-driven; the sender hears of it as of new rows."""
    project.stack.sql(f"UPDATE ready SET class = {to}, tries = 1, ins_xid = pg_current_xact_id()"
                      f" WHERE project_id = {project.number}")


# --- lanes ------------------------------------------------------------------------------------------------------------


def test_thousands_of_retries_and_replays_do_not_delay_first_attempts(project, peer):
    path = peer.path("/delay/20")
    hook = project.webhook(peer.url(path), maxConcurrency=4)
    post(project, hook, "pause")
    for _ in range(4):
        batch(project, 1000)
    reclass(project, "1 + (pos % 2)::int2")
    post(project, hook, "resume")
    eventually(lambda: peer.count(path) > 100)
    first = {}
    for _ in range(40):
        first[project.event()["eventId"]] = peer.count(path)
        time.sleep(0.03)
    overtaken = peer.overtaken(path, first)
    assert project.rows("ready") > 300  # they were there all the time
    assert max(overtaken) < 500, overtaken  # a few; all that wait, if the lanes had no weights
    served = project.stack.sql("SELECT class, count(*) FROM ready WHERE project_id = %s GROUP BY 1 ORDER BY 1",
                               [project.number])
    (_, retries), (_, replays) = [row for row in served if row[0]]
    assert 2000 - retries > 1.5 * (2000 - replays) > 0  # replays weigh less, and are served
    project.stack.sql("DELETE FROM ready WHERE project_id = %s", [project.number])


def test_retries_do_not_fill_the_window_of_a_receiver_that_hangs(project, peer):
    path = peer.path("/delay/700")
    hook = project.webhook(peer.url(path), maxConcurrency=8)
    batch(project, 24)
    peer.wait(path, 24)  # its window is open
    post(project, hook, "pause")
    batch(project, 100)
    reclass(project, "1")
    post(project, hook, "resume")
    eventually(lambda: peer.count(path) >= 28)
    sent = project.event()["eventId"]
    assert peer.overtaken(path, {sent: peer.count(path)})[0] < 40
    retries = [r for r in peer.requests(path)[24:] if r.headers["webhook-id"] != sent]
    assert most_at_once(retries, 700) <= 4  # half of the window
    project.stack.sql("DELETE FROM ready WHERE project_id = %s", [project.number])


# --- limbo ------------------------------------------------------------------------------------------------------------


class Place:
    """A webhook with deliveries that wait in one of the places where they can."""

    def __init__(self, stack, peer, mode, n, there, **fields):
        self.project, self.peer = stack.project(), peer
        self.path = peer.path(mode)
        self.hook = self.project.webhook(peer.url(self.path), **fields)
        self.before()
        self.sent = batch(self.project, n)
        self.there = there

    def before(self):
        pass

    def is_there(self):
        return self.there(self)

    def over(self):
        return self.project.rows("ready") == self.project.rows("later") == 0

    def statuses(self):
        return [d["status"] for d in self.project.deliveries(limit=200)]


class Retried(Place):
    """Its second attempt is under way."""

    def __init__(self, stack, peer):
        super().__init__(stack, peer, "/status/503", 1, lambda p: peer.count(p.slow) == 1, retrySchedule=[1])
        eventually(lambda: self.project.rows("later") == 1)
        self.slow = peer.path("/delay/2000")
        patch(self.project, self.hook, url=peer.url(self.slow))


class Broken(Place):
    """Behind an open circuit that will not probe for an hour."""

    def before(self):
        self.project.stack.sql(
            "INSERT INTO breakers (webhook_id, project_id, shard, state, opened_at, next_probe_at, cooldown_s, failures,"
            " requests, tripped_by) SELECT id, project_id, shard, 1, dlo_now(), dlo_now() + interval '1 hour', 3600, 5, 5, '{}'"
            " FROM webhooks WHERE project_id = %s", [self.project.number])


@pytest.fixture
def places(stack, peer):
    made = {
        "later": Place(stack, peer, "/status/503", 1, lambda p: p.project.rows("later") == 1, retrySchedule=[3600]),
        "circuit": Broken(stack, peer, "/ok", 3, lambda p: p.project.deliveries()[0]["heldBecause"] == "circuit"),
        "read ahead": Place(stack, peer, "/delay/700", 40, lambda p: peer.count(p.path) >= 1, maxConcurrency=1),
        "retried": Retried(stack, peer),
        "under way": Place(stack, peer, "/delay/2000", 1, lambda p: peer.count(p.path) == 1),
    }
    return made


def each_in_its_place(places, act):
    """Does it to each when its deliveries are there."""
    waiting = dict(places)
    while waiting:
        name = eventually(lambda: next((n for n, p in waiting.items() if p.is_there()), None))
        act(waiting.pop(name))


def hold(place, how):
    if how == "pause":
        post(place.project, place.hook, "pause")
    else:
        patch(place.project, place.hook, enabled=False)


def let_go(place, how, url):
    patch(place.project, place.hook, url=url, **({} if how == "pause" else {"enabled": True}))
    if how == "pause":
        post(place.project, place.hook, "resume")
    post(place.project, place.hook, "retry-now")


@pytest.mark.parametrize("how", ["pause", "disable"])
def test_held_anywhere_it_is_delivered_when_let_go(peer, places, how):
    each_in_its_place(places, lambda place: hold(place, how))
    eventually(lambda: "delivered" in places["under way"].statuses() and "delivered" in places["retried"].statuses())
    seen = {name: peer.count(p.path) for name, p in places.items()}
    stays(lambda: seen == {name: peer.count(p.path) for name, p in places.items()}, 1.2)
    assert places["read ahead"].project.rows("ready") >= 8 and places["circuit"].project.rows("ready") == 3
    assert places["later"].project.rows("later") == 1
    good = {name: peer.path() for name in places}
    for name, place in places.items():
        let_go(place, how, peer.url(good[name]))
    for name, place in places.items():
        eventually(place.over)
        assert set(place.statuses()) == {"delivered"} and not place.project.entries(), name
        got = {r.headers["webhook-id"] for p in (place.path, good[name], getattr(place, "slow", place.path))
               for r in peer.requests(p)}
        assert got == place.sent, name


def test_deleted_anywhere_it_is_delivered_or_an_entry(peer, places):
    each_in_its_place(places, lambda place: place.project.delete(f"/v1/webhooks/{place.hook['id']}"))
    for name, place in places.items():
        eventually(place.over)
        entries = place.project.entries(limit=200)
        assert {e["failureReason"] for e in entries} <= {"endpoint_disabled"}, name
        delivered = place.statuses().count("delivered")
        assert delivered + len(entries) == len(place.sent), name
        assert place.project.rows("breakers") == 0
    assert len(places["later"].project.entries()) == 1 and len(places["circuit"].project.entries()) == 3
    assert places["under way"].statuses() == ["delivered"]
    assert len(places["read ahead"].project.entries()) >= 8


def test_410_in_the_middle_of_a_batch_holds_the_rest(project, peer):
    path = peer.path("/gone")
    hook = project.webhook(peer.url(path), maxConcurrency=1)
    sent = batch(project, 10)
    eventually(lambda: not project.get(f"/v1/webhooks/{hook['id']}").json()["enabled"])
    eventually(lambda: project.rows("ready") == 9)
    stays(lambda: peer.count(path) == 1, 1.2)
    good = peer.path()
    patch(project, hook, enabled=True, url=peer.url(good))
    assert len({r.headers["webhook-id"] for r in peer.wait(good, 9)} & sent) == 9


def test_settings_that_changed_while_the_database_was_away_are_heard(stack, project, peer):
    """A sender that lost its connection learns what it did not see: here, that it may no longer send."""
    path = peer.path()
    hook = project.webhook(peer.url(path))
    project.event()
    peer.wait(path)
    senders = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dlo-sender'"
               " AND datname = current_database()")
    stack.sql("BEGIN")
    try:
        stack.sql("UPDATE webhooks SET paused_at = dlo_now() WHERE project_id = %s", [project.number])
        stack.sql(senders)
        stack.sql("COMMIT")
    except BaseException:
        stack.sql("ROLLBACK")
        raise
    eventually(lambda: stack.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dlo-sender'"
                                   " AND datname = current_database()"))
    project.event()
    stays(lambda: peer.count(path) == 1, 1.5)
    post(project, hook, "resume")
    peer.wait(path, 2)
