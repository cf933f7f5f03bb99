"""Retention by plan on a moved clock: hidden at once, counted exactly, thrown away on its day, carried if needed.

Time only moves forward within a stack here, as it does outside of tests; each scenario has a stack of its own.
"""

import pytest

from harness.stack import Stack
from harness.wait import eventually

PLANS = {"free": 1, "base": 7, "growth": 30, "scale": 90, "enterprise": 45}
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
    return {suffix: key for key, suffix in stack.sql("SELECT drawer, suffix FROM drawers")}


def today(stack):
    return stack.value("SELECT dlo_day(dlo_now())")


def overdue(stack):
    """Drawers whose day has come."""
    return [s for s, key in drawers(stack).items() if key < 2_000_000 and key % 1_000_000 <= today(stack)]


def set_plan(project, plan, **fields):
    got = project.stack.operator.put(f"/v1/projects/{project.id}/plan", {"plan": plan, **fields}, headers={"If-Match": "*"})
    assert got.status == 200, got


# --- a hundred days in a minute ---------------------------------------------------------------------------------------


class Century:
    """A project on each plan; an entry every five days; what lists and totals said on each of a hundred days."""

    def __init__(self, stack, peer):
        self.stack = stack
        self.seen = []  # (day, plan, listed, total, expected)
        self.tables = []
        self.tenants = {plan: stack.project(plan, days) for plan, days in PLANS.items()}
        for project in self.tenants.values():
            project.webhook(peer.url(peer.path("/status/400", record=False)))
        made = {plan: [] for plan in PLANS}
        for day in range(101):
            stack.move_clock(f"{day} days")
            if day % 5 == 0:
                self.make_entries(made, day)
            self.look(made, day)

    def make_entries(self, made, day):
        events = {plan: project.event()["eventId"] for plan, project in self.tenants.items()}
        for plan, project in self.tenants.items():
            eventually(lambda: project.rows("ready") == 0 and project.entries(state="all", limit=1)[0]["eventId"] == events[plan])
            made[plan].append(day)

    def look(self, made, day):
        for plan, project in self.tenants.items():
            page = project.get("/v1/dlq?count=exact&limit=200").json()
            expected = sum(day - d < PLANS[plan] for d in made[plan])
            self.seen.append((day, plan, len(page["data"]), page["total"], expected))
        self.tables.append(self.stack.value("SELECT max(n) FROM (SELECT count(*) AS n FROM pg_inherits GROUP BY inhparent) x"))


@pytest.fixture(scope="module")
def century(cluster, peer):
    stack = Stack(cluster)
    yield Century(stack, peer)
    stack.stop()
    cluster.move_clock("")


@pytest.mark.parametrize("plan", PLANS)
def test_lists_show_what_the_plan_keeps_on_each_day(century, plan):
    wrong = [(day, shown, expected) for day, p, shown, _, expected in century.seen if p == plan and shown != expected]
    assert wrong == []


@pytest.mark.parametrize("plan", PLANS)
def test_totals_are_exact_on_each_day(century, plan):
    wrong = [(day, total, expected) for day, p, _, total, expected in century.seen if p == plan and total != expected]
    assert wrong == []


def test_no_table_ever_had_too_many_drawers(century):
    assert max(century.tables) < 200  # a hundred days pass in the time of a few of the maintainer's rounds


def test_drawers_are_dropped_when_their_day_has_come(century):
    eventually(lambda: overdue(century.stack) == [], 30)
    assert len(drawers(century.stack)) < 100


def test_what_expired_is_counted_by_day(century):
    eventually(lambda: century.stack.value("SELECT coalesce(sum(n), 0) FROM expired_counts") > 0)
    for plan, project in century.tenants.items():
        gone = century.stack.value("SELECT coalesce(sum(n), 0) FROM expired_counts WHERE project_id = %s", [project.number])
        made, left = 21, project.get("/v1/dlq?count=exact").json()["total"]
        assert gone == made - left, plan


def test_nothing_of_what_expired_is_left_in_the_filed_tables(century):
    free = century.tenants["free"]
    eventually(lambda: overdue(century.stack) == [], 30)
    eventually(lambda: free.rows("dead_letters") <= 1 and free.rows("attempts") <= 1 and free.rows("events") <= 1)


# --- the edge, plans that change --------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", PLANS)
def test_entry_is_hidden_at_the_second(era, peer, plan):
    days = PLANS[plan]
    project = era.project(plan, days)
    entry = project.dead_letter(peer)
    seconds = days * 86400
    era.move_clock(f"{seconds - 60} seconds")
    assert project.entry(entry["id"])["state"] == "open" and totals(project)["open"] == 1
    assert project.get(f"/v1/events/{entry['eventId']}").status == 200
    era.move_clock(f"{seconds + 1} seconds")
    assert project.entries(state="all") == [] and project.deliveries() == []
    assert project.get(f"/v1/dlq/{entry['id']}").status in (404, 410)
    assert project.get("/dlq").json()["pagination"]["total"] == 0
    assert totals(project)["open"] == 0
    assert project.get(f"/v1/events/{entry['eventId']}").status in (404, 410)
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive").status in (404, 409)


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
    eventually(lambda: drawer not in drawers(era).values(), 30)
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
    eventually(lambda: drawer not in drawers(era).values(), 30)
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
    eventually(lambda: drawer not in drawers(era).values(), 30)
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
    """The maintainer makes drawers ahead: events are taken on each day without anybody's help."""
    project = era.project("free")
    path = peer.path()
    project.webhook(peer.url(path))
    for n, days in enumerate((10, 20, 30, 40), 1):
        era.cluster.move_clock(f"{days} days")
        assert project.event()["deliveries"] == 1
        peer.wait(path, n)
        # a drawer for thirty days from now is always there, the next ones come within ten seconds
        eventually(lambda: era.value("SELECT max(drawer) FROM drawers WHERE drawer < 1000000") >= today(era) + 35, 30)


def test_dedup_keys_are_thrown_away_after_their_window(era):
    project = era.project()
    project.event(externalId="x")
    era.move_clock("20 days")
    eventually(lambda: project.rows("event_keys") == 0, 80)
