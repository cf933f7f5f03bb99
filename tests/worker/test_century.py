"""A hundred days in half a minute: a project on each plan, an entry every ten days, looked at on each of many days."""

import datetime

import pytest

from harness.stack import Stack
from harness.wait import eventually

PLANS = {"free": 1, "base": 7, "growth": 30, "enterprise": 45, "scale": 90}
DAY = 86400
EVERY = 10
# Each tenth day, and for what was made on the first one twenty minutes before its end and a second after it.
MOMENTS = sorted({day * DAY for day in range(0, 101, EVERY)} | {days * DAY + s for days in PLANS.values() for s in (-1200, 1)})


class Century:
    def __init__(self, stack, peer):
        self.stack = stack
        self.seen = []  # (moment, plan, listed, total, expected)
        self.tables = []
        self.made = {plan: [] for plan in PLANS}  # when, by the database's clock
        self.tenants = {plan: stack.project(plan, days) for plan, days in PLANS.items()}
        for project in self.tenants.values():
            project.webhook(peer.url(peer.path("/status/400", record=False)))
        for moment in MOMENTS:
            stack.move_clock(f"{moment} seconds")
            if moment % (EVERY * DAY) == 0:
                self.make_entries()
            self.look(moment)
        # counters and drawers follow by some minutes, see dlq_sweep.sql and due_drawers.sql
        stack.move_clock("100 days 10 minutes")

    def make_entries(self):
        for project in self.tenants.values():
            project.event()
        for plan, project in self.tenants.items():
            eventually(lambda: project.rows("ready") == 0)
            self.made[plan].append(datetime.datetime.fromisoformat(project.entries(limit=1)[0]["createdAt"]))

    def visible(self, plan):
        now = self.stack.value("SELECT dlo_now()")
        return sum(now - at < datetime.timedelta(days=PLANS[plan]) for at in self.made[plan])

    def look(self, moment):
        for plan, project in self.tenants.items():
            page = project.get("/v1/dlq?count=exact&limit=200").json()
            self.seen.append((moment / DAY, plan, len(page["data"]), page["total"], self.visible(plan)))
        counts = "SELECT max(n) FROM (SELECT count(*) AS n FROM pg_inherits GROUP BY inhparent) x"
        self.tables.append(self.stack.value(counts))

    def overdue(self):
        """Drawers whose day has come."""
        today = self.stack.value("SELECT dlo_day(dlo_now())")
        keys = [key for (key,) in self.stack.sql("SELECT drawer FROM drawers") if key is not None]
        return [key for key in keys if key < 2_000_000 and key % 1_000_000 <= today]


@pytest.fixture(scope="module")
def century(cluster, peer):
    stack = Stack(cluster)
    yield Century(stack, peer)
    stack.stop()
    cluster.move_clock("")


@pytest.mark.parametrize("plan", PLANS)
def test_lists_show_what_the_plan_keeps_at_each_moment(century, plan):
    wrong = [(day, shown, expected) for day, p, shown, _, expected in century.seen if p == plan and shown != expected]
    assert wrong == []


@pytest.mark.parametrize("plan", PLANS)
def test_totals_are_exact_at_each_moment(century, plan):
    wrong = [(day, total, expected) for day, p, _, total, expected in century.seen if p == plan and total != expected]
    assert wrong == []


def test_each_plan_lost_and_kept_something(century):
    for plan, days in PLANS.items():
        assert 0 < century.visible(plan) <= days // EVERY + 1 and len(century.made[plan]) == 11, plan


def test_drawers_are_dropped_when_their_day_has_come(century):
    eventually(lambda: century.overdue() == [], 120)
    for parent in ("events", "attempts", "dead_letters", "dead_letter_bodies"):
        n = century.stack.value("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [parent])
        assert n < 100, parent


def test_what_expired_is_counted(century):
    for plan, project in century.tenants.items():
        def counted():
            return century.stack.value("SELECT coalesce(sum(n), 0) FROM expired_counts WHERE project_id = %s",
                                       [project.number]) == 11 - century.visible(plan)
        eventually(counted)


@pytest.mark.parametrize("table", ["events", "attempts", "dead_letters", "dead_letter_bodies"])
def test_little_more_than_what_is_visible_is_left_on_the_disk(century, table):
    """A drawer holds at most a day, or a week, of what has expired."""
    eventually(lambda: century.overdue() == [], 120)
    for plan, project in century.tenants.items():
        assert project.rows(table) <= century.visible(plan) + 2, plan
