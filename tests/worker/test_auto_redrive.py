"""What re-drives itself: an outage, entries, a recovery, and then one operation; and all that must not be one."""

import os
import signal

import pytest

from harness.wait import eventually, stays

ANY = {"If-Match": "*"}
STACK = {"more": "breaker_requests = 5\nbreaker_percent = 90\nbreaker_cooldown = 1\n"}
AFTER = 3  # live successes that these webhooks ask for
OPEN, RESOLVED, REFAILED = 1, 3, 4


class Shop:
    """A webhook to a receiver that is down until told, and that gives up at once."""

    def __init__(self, project, peer, auto={}, **fields):
        self.project, self.peer = project, peer
        self.name = f"auto{next(peer.numbers)}"
        self.path = peer.path(f"/down-until-told/{self.name}")
        if auto is not None:
            fields["autoRedrive"] = {"afterSuccesses": AFTER, "ratePerSecond": 100, **auto}
        self.hook = project.webhook(peer.url(self.path), name=self.name, eventTypes=[self.name],
                                    **{"maxAttempts": 1, **fields})
        self.number = project.stack.value("SELECT id FROM webhooks WHERE name = %s", [self.name])
        self.sent = 0

    def up(self, up=True):
        self.peer.control("up" if up else "down", method="POST", name=self.name)

    def send(self, n):
        events = [{"eventType": self.name, "payload": {"n": self.sent + i}} for i in range(n)]
        got = self.project.post("/v1/events/batch", {"events": events})
        assert got.status == 200, got
        self.sent += n
        return [r["eventId"] for r in got.json()["results"]]

    def outage(self, n):
        """n deliveries die; fewer than would open the circuit. Their events."""
        before = self.count()
        self.up(False)
        sent = self.send(n)
        eventually(lambda: self.count() == before + n)
        return sent

    def recovery(self, n=AFTER):
        self.up()
        sent = set(self.send(n))
        eventually(lambda: sent <= self.arrived())

    def count(self):
        return self.value("SELECT count(*) FROM dead_letters WHERE webhook_id = %s")

    def states(self):
        return dict(self.project.stack.sql("SELECT state, count(*) FROM dead_letters WHERE webhook_id = %s GROUP BY 1", [self.number]))

    def arrived(self):
        return self.peer.delivered(self.path)

    def times(self):
        """How often each event was answered well."""
        return self.peer.ids(self.path)

    def value(self, text):
        return self.project.stack.value(text, [self.number])

    def told(self):
        return self.value("SELECT count(*) FROM recoveries WHERE webhook_id = %s")

    def tell(self):
        """As its sender would; what the maintainer makes of it is over when this returns."""
        self.project.stack.sql("INSERT INTO recoveries VALUES (%s, dlo_now()) ON CONFLICT DO NOTHING", [self.number])
        eventually(lambda: not self.told())

    def operations(self):
        """Newest first."""
        found = self.project.get("/v1/bulk-operations").json()["data"]
        return [o for o in found if o["createdBy"] == "auto" and o["query"]["filters"]["webhookId"] == self.hook["id"]]

    def operation(self, state=None, n=1):
        """The newest of n, once it is in that state."""
        found = eventually(lambda: (o := self.operations()) and len(o) >= n and (not state or o[0]["state"] == state) and o, 30, 0.1)
        assert len(found) == n
        return found[0]


# --- the way it goes --------------------------------------------------------------------------------------------------


def test_outage_with_an_open_circuit_is_redriven_once(project, peer, clock):
    shop = Shop(project, peer)
    sent = shop.send(14)
    eventually(lambda: project.get(f"/v1/webhooks/{shop.hook['id']}/health").json()["circuit"]["state"] == "open")
    assert shop.operations() == []
    shop.up()
    op = shop.operation("completed")
    assert op["kind"] == "re-drive" and op["probe"] is True and op["ratePerSecond"] == 100 and op["mode"] == "snapshot"
    assert shop.name in op["name"] and "3 live deliveries" in op["reason"]
    assert op["counts"]["total"] == op["counts"]["succeeded"] == shop.count() >= 5
    eventually(lambda: shop.arrived() == set(sent))
    assert shop.states() == {RESOLVED: shop.count()}
    rows = project.get("/v1/audit", query={"object": op["id"]}).json()["data"]
    assert [(r["action"], r["actor"]) for r in rows][-1] == ("operation.create", "auto")
    shop.recovery()
    clock("2 minutes")
    shop.tell()
    assert len(shop.operations()) == 1


def test_a_few_failures_without_an_open_circuit(project, peer):
    shop = Shop(project, peer)
    died = shop.outage(3)
    assert shop.told() == 0 and shop.operations() == []
    shop.recovery(AFTER - 1)
    stays(lambda: shop.operations() == [], 1.5, 0.3)
    shop.recovery(1)
    op = shop.operation("completed")
    assert op["counts"]["succeeded"] == 3 and op["truncated"] is False
    assert set(died) <= shop.arrived()


def test_off_unless_it_is_asked_for(project, peer):
    off, on = Shop(project, peer, auto=None), Shop(project, peer)
    for shop in (off, on):
        shop.outage(2)
    for shop in (off, on):
        shop.recovery()
    on.operation("completed")
    assert off.states() == {OPEN: 2} and project.rows("bulk_operations") == 1
    off.tell()
    assert off.operations() == []


def test_turned_on_later_takes_what_is_there(project, peer):
    shop = Shop(project, peer, auto=None)
    shop.outage(2)
    shop.recovery()
    project.patch(f"/v1/webhooks/{shop.hook['id']}", {"autoRedrive": {"afterSuccesses": 1}}, headers=ANY)
    shop.recovery(1)
    assert shop.operation("completed")["counts"]["succeeded"] == 2


# --- which ------------------------------------------------------------------------------------------------------------


UNTOUCHED = [
    "permanent = true", "reason = 3, permanent = true", "reason = 19, permanent = true", "reason = 20, permanent = true",
    "intentional = true", "generation = 3", "generation = 17", "state = 5", "created_at = created_at - interval '61 minutes'",
]
TAKEN = ["generation = 2", "reason = 16, permanent = true", "reason = 15", "created_at = created_at - interval '59 minutes'"]


def test_only_what_passes_and_was_not_tried_too_often(project, peer):
    shop = Shop(project, peer, {"windowSeconds": 3600})
    changes = UNTOUCHED + TAKEN
    for _ in range(len(changes) + 1):
        shop.outage(1)
        shop.recovery(1)  # keeps the circuit closed, and is no recovery: the count begins anew with each outage
    ids = [i for i, in project.stack.sql("SELECT id FROM dead_letters WHERE webhook_id = %s ORDER BY created_at", [shop.number])]
    for entry, change in zip(ids, changes):
        project.stack.sql(f"UPDATE dead_letters SET {change} WHERE id = %s", [entry])
    shop.recovery()
    op = shop.operation("completed")
    taken = {i for i, in project.stack.sql("SELECT entry_id FROM bulk_items i JOIN bulk_operations o ON o.number = i.operation"
                                           " WHERE o.webhook_id = %s", [shop.number])}
    assert taken == set(ids[len(UNTOUCHED):])
    assert op["counts"]["succeeded"] == len(taken)


def test_no_more_than_its_cap_the_oldest_first(project, peer):
    shop = Shop(project, peer, {"maxEntries": 2})
    died = shop.outage(4)
    shop.recovery()
    op = shop.operation("completed")
    assert op["truncated"] is True and op["counts"]["total"] == 2 and shop.states() == {OPEN: 2, RESOLVED: 2}
    assert len(set(died) & shop.arrived()) == 2


def test_what_a_stranger_left_is_not_taken(project, stack, peer):
    shop, other = Shop(project, peer), Shop(stack.project(), peer, auto=None)
    other.outage(2)
    shop.outage(2)
    shop.recovery()
    assert shop.operation("completed")["counts"]["total"] == 2 and other.states() == {OPEN: 2}


# --- once -------------------------------------------------------------------------------------------------------------


def test_never_two_at_once(project, peer):
    shop = Shop(project, peer, {"ratePerSecond": 1})
    shop.outage(4)
    shop.recovery()
    shop.operation()
    shop.project.stack.sql("INSERT INTO recoveries VALUES (%s, dlo_now()) ON CONFLICT DO NOTHING", [shop.number])
    assert shop.operation("completed")["counts"]["succeeded"] == 4
    with pytest.raises(Exception, match="bulk_operations_auto"):
        for _ in range(2):
            project.stack.sql("INSERT INTO bulk_operations (id, project_id, kind, state, query, actor, anew, truncated, total, start_at,"
                              " webhook_id) SELECT gen_random_uuid(), project_id, 1, 3, '{}', 'auto', false, false, 1, dlo_now(), id"
                              " FROM webhooks WHERE id = %s", [shop.number])
    project.stack.sql("DELETE FROM bulk_operations WHERE webhook_id = %s AND state = 3", [shop.number])


def test_another_outage_another_operation(project, peer, clock):
    shop = Shop(project, peer)
    shop.outage(2)
    shop.recovery()
    shop.operation("completed")
    shop.outage(2)
    shop.recovery()
    eventually(shop.told)
    stays(lambda: len(shop.operations()) == 1, 1.5, 0.3)  # not so soon
    clock("2 minutes")
    assert shop.operation("completed", n=2)["counts"]["succeeded"] == 2
    assert shop.states() == {RESOLVED: 4}


def test_outage_that_goes_on_is_no_recovery(project, peer):
    """Told, and then it died again before the maintainer came: what was told is void, and the next telling counts."""
    shop = Shop(project, peer)
    shop.outage(1)
    project.stack.sql("INSERT INTO recoveries VALUES (%s, dlo_now() - interval '1 minute')", [shop.number])
    eventually(lambda: not shop.told())
    assert shop.operations() == []
    shop.recovery()
    assert shop.operation("completed")["counts"]["succeeded"] == 1


# --- a failure in the middle ------------------------------------------------------------------------------------------


def test_new_failure_pauses_it_and_only_another_outage_takes_it_over(project, peer, clock):
    shop = Shop(project, peer)
    shop.outage(4)
    with project.stack.connect() as other:
        other.execute("BEGIN; LOCK TABLE bulk_operations IN SHARE MODE")  # nothing is made of it before the receiver is down again
        shop.recovery()
        shop.up(False)
        other.rollback()
    op = shop.operation("paused")
    assert op["stateReason"].startswith("probe: 1 of 1 failed") and op["counts"]["notStarted"] == 3
    shop.recovery()
    shop.tell()
    assert [(o["id"], o["state"]) for o in shop.operations()] == [(op["id"], "paused")]
    shop.outage(2)
    shop.recovery()
    eventually(lambda: shop.operations()[0]["state"] == "cancelled")
    clock("2 minutes")
    after = shop.operation("completed", n=2)
    assert after["counts"]["succeeded"] == 6 and shop.states() == {RESOLVED: 6, REFAILED: 1}


def test_those_that_their_probe_has_paused_are_in_nobodys_way(project, peer):
    """One each of webhooks that fail again and again; they would fill the number of active ones for a week."""
    project.stack.sql("""INSERT INTO bulk_operations (id, project_id, kind, state, cause, query, actor, anew, truncated, total,
        start_at, webhook_id) SELECT lpad(to_hex(1000 * p + g), 32, '0')::uuid, p, 1, 3, 'probe: 1 of 1 failed',
        '{"filters":{"webhookId":"-"}}', 'auto', false, false, 1, dlo_now(), 1000000 + 100 * p + g
        FROM (SELECT %s::int4 AS p) x, generate_series(1, 60) g""", [project.number])
    shop = Shop(project, peer)
    shop.outage(4)
    shop.recovery()
    assert shop.operation("completed")["counts"]["succeeded"] == 4


def test_paused_by_somebody_stays_paused(project, peer):
    shop = Shop(project, peer, {"ratePerSecond": 0.5})
    shop.outage(3)
    shop.recovery()
    op = shop.operation()
    assert project.post(f"/v1/bulk-operations/{op['id']}/pause").json()["state"] == "paused"
    shop.outage(1)
    shop.recovery()
    eventually(shop.told)
    stays(lambda: [o["state"] for o in shop.operations()] == ["paused"], 1.5, 0.3)


# --- kill -9 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_stack(make_stack):
    """One that may be killed."""
    return make_stack(**STACK)


def kill_worker(stack):
    stack.processes.pop("worker").kill()
    stack.start_worker()


def kill_children(stack):
    """Senders and maintainer: their supervisor starts others."""
    before = stack.worker_children()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not set(before) & set(stack.worker_children()) and len(stack.worker_children()) == len(before))


def kill_maintainer(stack):
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dlo-maintainer'")


def kill_database(stack):
    stack.cluster.kill_and_restart()
    eventually(lambda: stack.anybody.get("/readyz").status == 200, 30, 0.2)


@pytest.mark.parametrize("kill", [kill_worker, kill_children, kill_maintainer, kill_database])
def test_killed_in_between_it_is_redriven_once(own_stack, peer, clock, kill):
    shop = Shop(own_stack.project(), peer, {"ratePerSecond": 2})
    died = shop.outage(4)
    shop.recovery(AFTER - 1)
    kill(own_stack)
    shop.recovery(AFTER)  # a count that was forgotten begins anew
    kill(own_stack)
    eventually(lambda: shop.operations() or shop.recovery(AFTER), 40, 0.5)
    kill(own_stack)
    op = shop.operation("completed")
    shop.recovery()
    clock("2 minutes")
    shop.tell()
    assert [o["id"] for o in shop.operations()] == [op["id"]]
    assert op["counts"]["succeeded"] == op["counts"]["total"] == 4 and shop.states() == {RESOLVED: 4}
    assert set(died) <= shop.arrived() and shop.project.rows("redrives") == 0
    assert shop.value("SELECT count(*) FROM attempts WHERE webhook_id = %s AND generation = 1 AND ends") == 4
