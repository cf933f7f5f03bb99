"""Retention on a moved clock: hidden at once, counted exactly, thrown away on its day, carried if needed.

Time only moves forward within a stack here, as it does outside of tests; each scenario has a stack of its own.
"""

import pytest

from harness.stack import Stack
from harness.wait import eventually

STATES = ("open", "replaying", "resolved", "refailed", "discarded")


@pytest.fixture
def era(cluster):
    one = Stack(cluster)
    yield one
    one.stop()
    cluster.move_clock("")


def totals(project):
    return {s: project.get(f"/v1/dlq?state={s}&count=exact").json()["total"] for s in STATES}


def listed(project):
    return {s: len(project.entries(state=s, limit=200)) for s in STATES}


def drawers(stack):
    """The keys of those that are there. (One that is being dropped has none.)"""
    return {key for (key,) in stack.sql("SELECT drawer FROM drawers") if key is not None}


def wait_dropped(stack, drawer):
    """A maintainer looks after the drawers when it starts; this one would else do so once in ten seconds."""
    stack.stop_process("worker")
    stack.start_worker()
    eventually(lambda: drawer not in drawers(stack))


def set_plan(project, plan, **fields):
    got = project.stack.operator.put(f"/v1/projects/{project.id}/plan", {"plan": plan, **fields}, headers={"If-Match": "*"})
    assert got.status == 200, got


# --- the edge, plans that change --------------------------------------------------------------------------------------


def test_expired_entry_is_nowhere(era, peer):
    project = era.project("free")
    entry = project.dead_letter(peer)
    era.move_clock("23 hours 50 minutes")
    assert project.entry(entry["id"])["state"] == "open" and totals(project)["open"] == 1
    assert project.get(f"/v1/events/{entry['eventId']}").status == 200
    era.move_clock("24 hours 1 second")
    assert project.entries(state="all") == [] and project.deliveries() == []
    assert project.get("/v1/events").json()["data"] == []
    assert project.get("/dlq").json()["pagination"]["total"] == 0
    assert totals(project)["open"] == 0 and project.get("/v1/overview").json()["open"] == 0
    assert era.sql("SELECT id FROM dead_letter_queue") == []
    got = project.get(f"/v1/dlq/{entry['id']}")
    assert got.status == 410 and got.code == "expired"
    again = project.post(f"/v1/dlq/{entry['id']}/re-drive")
    assert again.status == 409 and again.code == "payload-expired"
    assert project.get(f"/v1/events/{entry['eventId']}").status in (404, 410)
    assert project.post(f"/v1/dlq/{entry['id']}/discard", {"reason": "r"}).status == 410


def test_smaller_plan_hides_at_once_and_a_larger_one_shows_again(era, peer):
    project = era.project("scale")
    entry = project.dead_letter(peer)
    era.move_clock("10 days")
    set_plan(project, "base")
    assert project.entries() == [] and totals(project)["open"] == 0
    assert project.get(f"/v1/dlq/{entry['id']}").code == "expired"
    set_plan(project, "growth")
    shown = project.entry(entry["id"])
    assert shown["state"] == "open" and totals(project)["open"] == 1
    assert shown["expiresAt"] != entry["expiresAt"]


def test_counts_follow_the_sweep_in_both_directions(era, peer):
    """The maintainer moves what expired out of the counters; a plan that grows takes it in again."""
    project = era.project("scale")
    for _ in range(3):
        project.dead_letter(peer)
    era.move_clock("10 days")
    project.dead_letter(peer)

    def swept():
        return era.value("SELECT coalesce(sum(n), 0) FROM (SELECT n FROM dlq_counts WHERE project_id = %(p)s AND state = 1"
                         " UNION ALL SELECT n FROM dlq_deltas WHERE project_id = %(p)s AND state = 1) x", {"p": project.number})
    for plan, n in (("base", 1), ("growth", 4), ("free", 1), ("scale", 4)):
        set_plan(project, plan)
        assert totals(project)["open"] == n == len(project.entries())
        eventually(lambda: swept() == n)
        assert totals(project)["open"] == n


def test_entry_of_a_plan_that_grew_outlives_its_drawer(era, peer):
    project = era.project("base")
    entry = project.dead_letter(peer, payload={"kept": 1}, externalId="x")
    drawer = era.value("SELECT drawer FROM dead_letters WHERE project_id = %s", [project.number])
    era.move_clock("5 days")
    set_plan(project, "scale")
    era.move_clock("20 days")
    wait_dropped(era, drawer)
    after = project.entry(entry["id"])
    assert after["originalMessage"] == entry["originalMessage"] and after["attempts"] == entry["attempts"]
    assert totals(project) == listed(project) == {**dict.fromkeys(STATES, 0), "open": 1}
    assert project.get(f"/v1/events/{entry['eventId']}").status == 200
    path = peer.path()
    project.patch(f"/v1/webhooks/{entry['webhookId']}", {"url": peer.url(path)}, headers={"If-Match": "*"})
    project.post(f"/v1/dlq/{entry['id']}/re-drive")
    assert peer.wait(path)[0].body == b'{"kept": 1}'
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")
    assert totals(project) == listed(project)


def test_delivery_that_waits_outlives_its_drawer_and_arrives(era, peer):
    """On the free plan, held, tried, held, tried, held: waiting when the drawer of its event is dropped."""
    project = era.project("free")
    path = peer.path("/down-until-told/carried")
    hook = project.webhook(peer.url(path), holdBudgetSeconds=72000, retrySchedule=[60], maxAttempts=4)

    def act(name):
        assert project.post(f"/v1/webhooks/{hook['id']}/{name}").status == 200
    act("pause")
    made = project.event(payload={"n": 1.10})
    drawer = era.value("SELECT source_drawer FROM ready WHERE project_id = %s", [project.number])
    for hours in (19, 38):
        era.move_clock(f"{hours} hours")
        act("resume")
        eventually(lambda: project.rows("later") == 1)
        act("pause")
        era.move_clock(f"{hours} hours 2 minutes")
        eventually(lambda: project.rows("ready") == 1)
    era.move_clock("49 hours")
    wait_dropped(era, drawer)
    peer.control("up", "POST", name="carried")
    act("resume")
    request = peer.wait(path, 3)[-1]
    assert request.body == b'{"n": 1.1}' and request.headers["webhook-id"] == made["eventId"]
    assert request.headers["dlo-attempt"] == "3"
    eventually(lambda: project.rows("ready") == project.rows("later") == 0)
    kept = era.sql("SELECT n, outcome FROM attempts WHERE project_id = %s ORDER BY n", [project.number])
    assert kept == [(1, 1), (2, 1), (3, 0)]


def test_redrive_under_way_carries_its_entry_and_leaves_the_counts_right(era, peer):
    """The entry expires, and its drawer goes, while the re-drive is held; then it is sent."""
    project = era.project("base")
    path = peer.path("/flaky/1")
    hook = project.webhook(peer.url(path), maxAttempts=1, holdBudgetSeconds=6 * 86400)
    project.event(payload={"a": 1})
    entry = project.wait_entry()
    drawer = era.value("SELECT drawer FROM dead_letters WHERE project_id = %s", [project.number])
    era.move_clock("6 days")
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    project.post(f"/v1/dlq/{entry['id']}/re-drive")
    assert totals(project) == {**dict.fromkeys(STATES, 0), "replaying": 1}
    era.move_clock("9 days")
    wait_dropped(era, drawer)
    assert totals(project) == dict.fromkeys(STATES, 0)
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    assert peer.wait(path, 2)[1].body == b'{"a": 1}'
    eventually(lambda: project.rows("redrives") == 0)
    assert totals(project) == listed(project)


def test_redrive_that_fails_after_its_entry_expired_leaves_the_counts_right(era, peer):
    project = era.project("base")
    path = peer.path("/status/400")
    hook = project.webhook(peer.url(path), maxAttempts=1, holdBudgetSeconds=6 * 86400)
    project.event()
    entry = project.wait_entry()
    era.move_clock("6 days")
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    project.post(f"/v1/dlq/{entry['id']}/re-drive")
    era.move_clock("7 days 1 hour")
    eventually(lambda: era.value("SELECT count(*) FROM expired_counts WHERE project_id = %s", [project.number]) == 1)
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    eventually(lambda: project.entries())
    assert totals(project) == listed(project) == {**dict.fromkeys(STATES, 0), "open": 1}


def test_ingest_goes_on_over_many_days(era, peer):
    """Nobody helps the maintainer here: a month ahead there are drawers, and more within ten seconds."""
    project = era.project("free")
    path = peer.path()
    project.webhook(peer.url(path))
    for n, days in enumerate((30, 60), 1):
        era.cluster.move_clock(f"{days} days")
        assert project.event()["deliveries"] == 1
        peer.wait(path, n)
        ahead = era.value("SELECT dlo_day(dlo_now())") + 35
        if n == 1:
            eventually(lambda: max(key for key in drawers(era) if key < 1_000_000) >= ahead, 30)


def test_dedup_keys_are_thrown_away_after_their_window(era):
    project = era.project()
    project.event(externalId="x")
    era.move_clock("20 days")
    era.stop_process("worker")
    era.start_worker()  # does each of its duties when it starts, this one else once a minute
    eventually(lambda: project.rows("event_keys") == 0, 30)
