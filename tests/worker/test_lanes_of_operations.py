"""An operation over several webhooks: each has a lane, and one that is stuck stands in nobody's way."""

import pytest

from harness.bulk import OPEN, RESOLVED, fill, goes_on, look, reaches, start, states
from harness.wait import eventually, stays

ANY = {"If-Match": "*"}
STACK = {"more": "breaker_requests = 5\nbreaker_percent = 50\nbreaker_cooldown = 300\n"}
HELD = 5  # LIMIT_BULK_LEAST_SHARE


def number(project, hook):
    return project.stack.value("SELECT id FROM webhooks WHERE dlo_id('whk', public_id) = %s", [hook["id"]])


def under_way(project, hook):
    """Of one webhook, as rows of the queues."""
    return project.stack.value("SELECT (SELECT count(*) FROM ready WHERE webhook_id = %(w)s) + (SELECT count(*) FROM later WHERE"
                               " webhook_id = %(w)s)", {"w": number(project, hook)})


def state_of(project, hook):
    return dict(project.stack.sql("SELECT state, count(*) FROM dead_letters WHERE webhook_id = %s GROUP BY 1", [number(project, hook)]))


def items(project, op, **query):
    rows, cursor = [], None
    while True:
        got = project.get(f"/v1/bulk-operations/{op['id']}/items", query={"limit": 200, **query, **({"cursor": cursor} if cursor else {})})
        assert got.status == 200, got
        rows += got.json()["data"]
        cursor = got.json()["nextCursor"]
        if not cursor:
            return rows


def agree(project, op):
    """What the operation counts is what its items say, one by one."""
    counts, listed = look(project, op)["counts"], items(project, op)
    assert [i["item"] for i in listed] == list(range(1, counts["total"] + 1))
    for name in ("notStarted", "sent", "succeeded", "failed"):
        found = [i for i in listed if i["outcome"] == name]
        assert len(found) == counts[name], name
        assert items(project, op, outcome=name) == found
    return counts


def pause(project, hook):
    assert project.post(f"/v1/webhooks/{hook['id']}/pause").status == 200


def resume(project, hook):
    assert project.post(f"/v1/webhooks/{hook['id']}/resume").status == 200


def open_circuit(project, hook):
    project.stack.sql("INSERT INTO breakers (webhook_id, project_id, shard, state, opened_at, next_probe_at, cooldown_s, failures,"
                      " requests, tripped_by) SELECT id, project_id, shard, 1, dlo_now(), dlo_now() + interval '1 h', 3600, 9, 10, '{}'"
                      " FROM webhooks WHERE id = %s", [number(project, hook)])


@pytest.mark.parametrize("stop", [pause, open_circuit])
def test_what_is_held_takes_nearly_nothing_and_the_others_go_on(project, peer, stop):
    stuck = fill(project, 3000, peer.url(peer.path(record=False)))
    stop(project, stuck)
    well = fill(project, 300, peer.url(path := peer.path(record=False)))
    op = start(project, ratePerSecond=2000)
    eventually(lambda: peer.count(path) == 300, 60, 0.1)
    eventually(lambda: state_of(project, well) == {RESOLVED: 300})
    stays(lambda: under_way(project, stuck) == HELD, 1.2, 0.3)
    assert look(project, op)["counts"]["notStarted"] == 3000 - HELD
    assert agree(project, op)["sent"] == HELD
    project.post(f"/v1/bulk-operations/{op['id']}/cancel")
    assert reaches(project, op, "cancelled")["cancelledItems"] == HELD
    assert agree(project, op)["succeeded"] == 300 and states(project) == {OPEN: 3000, RESOLVED: 300}


def test_what_is_slow_has_a_share(project, peer):
    slow = fill(project, 6000, peer.url(peer.path("/hang")), timeoutMs=60000)
    well = fill(project, 1500, peer.url(path := peer.path(record=False)))
    op = start(project, ratePerSecond=2000)
    eventually(lambda: peer.count(path) == 1500, 60, 0.1)
    eventually(lambda: state_of(project, well) == {RESOLVED: 1500})
    eventually(lambda: under_way(project, slow) >= 500, 30, 0.2)
    assert under_way(project, slow) <= 1000
    pause(project, slow)
    project.post(f"/v1/bulk-operations/{op['id']}/cancel")
    reaches(project, op, "cancelled")


def test_many_that_are_slow_leave_room_for_one_that_is_well(project, peer):
    slow = [fill(project, 1000, peer.url(peer.path("/hang")), timeoutMs=60000) for _ in range(12)]
    well = fill(project, 40, peer.url(path := peer.path(record=False)))
    pause(project, well)
    op = start(project, ratePerSecond=2000)
    # each has a quarter of what is left: n of them settle at n / (n + 4) of the room, rounded down, however fast they are fed
    def taken():
        return sum(under_way(project, h) for h in slow)

    eventually(lambda: taken() >= 4000 * 12 // 16 - 12 - HELD, 60, 0.3)
    most = 4000 * (1 - 0.75 ** 12) + 12  # had each taken its quarter at once, one after the other
    stays(lambda: taken() <= most, 1.2, 0.3)
    resume(project, well)
    eventually(lambda: peer.count(path) == 40, 60, 0.1)
    assert taken() <= most
    for hook in slow:
        pause(project, hook)
    project.post(f"/v1/bulk-operations/{op['id']}/cancel")
    reaches(project, op, "cancelled")


def test_lanes_take_turns_oldest_first(project, peer):
    hooks = [fill(project, 40, peer.url(peer.path(record=False))) for _ in range(3)]
    op = start(project, ratePerSecond=10)
    eventually(lambda: look(project, op)["counts"]["succeeded"] >= 30, 30, 0.1)
    project.post(f"/v1/bulk-operations/{op['id']}/pause")
    eventually(lambda: look(project, op)["counts"]["sent"] == 0)
    done = [state_of(project, h).get(RESOLVED, 0) for h in hooks]
    assert max(done) - min(done) <= 12, done
    assert sum(done) == agree(project, op)["succeeded"]
    newest = project.stack.sql("SELECT webhook_id, max(created_at) FILTER (WHERE state = 3) < min(created_at) FILTER (WHERE state = 1)"
                               " FROM dead_letters WHERE project_id = %s GROUP BY 1", [project.number])
    assert all(in_order for _, in_order in newest)
    project.patch(f"/v1/bulk-operations/{op['id']}", {"ratePerSecond": 1000})
    project.post(f"/v1/bulk-operations/{op['id']}/resume")
    assert goes_on(project, op, "completed")["counts"]["succeeded"] == 120 == agree(project, op)["succeeded"]


def test_held_goes_on_when_it_is_not_any_more(project, peer):
    stuck = fill(project, 50, peer.url(first := peer.path(record=False)))
    pause(project, stuck)
    fill(project, 20, peer.url(second := peer.path(record=False)))
    op = start(project, ratePerSecond=1000)
    eventually(lambda: peer.count(second) == 20)
    resume(project, stuck)
    assert goes_on(project, op, "completed")["counts"]["succeeded"] == 70
    assert peer.count(first) == 50 and states(project) == {RESOLVED: 70}


def test_deleted_webhooks_items_are_skipped_in_their_lane(project, peer):
    gone = fill(project, 30, peer.url(peer.path(record=False)))
    fill(project, 30, peer.url(path := peer.path(record=False)))
    project.delete(f"/v1/webhooks/{gone['id']}")
    op = start(project, ratePerSecond=1000)
    after = goes_on(project, op, "completed")["counts"]
    assert (after["succeeded"], after["skipped"]) == (30, 30) and peer.count(path) == 30
    assert {i["cause"] for i in items(project, op, outcome="skipped")} == {"webhook-deleted"}


def test_one_webhook_alone_has_no_lanes_and_is_held_as_well(project, peer):
    hook = fill(project, 100, peer.url(path := peer.path(record=False)))
    open_circuit(project, hook)
    op = start(project, ratePerSecond=1000)
    eventually(lambda: under_way(project, hook) == HELD)
    stays(lambda: under_way(project, hook) == HELD, 1.2, 0.3)
    assert project.stack.value("SELECT count(*) FROM bulk_lanes") == 0 or project.stack.value(
        "SELECT count(*) FROM bulk_lanes l JOIN bulk_operations o ON o.number = l.operation WHERE o.project_id = %s", [project.number]) == 0
    assert look(project, op)["counts"] == {"total": 100, "notStarted": 95, "sent": 5, "succeeded": 0, "failed": 0, "skipped": 0}
    project.post(f"/v1/webhooks/{hook['id']}/retry-now")
    assert goes_on(project, op, "completed")["counts"]["succeeded"] == 100 and peer.count(path) == 100


def test_probe_begins_in_each_lane_and_stops_for_one_that_fails(project, peer):
    fill(project, 100, peer.url(peer.path("/status/400")))
    fill(project, 100, peer.url(path := peer.path(record=False)))
    op = start(project, probe=True, ratePerSecond=1000)
    after = reaches(project, op, "paused")
    assert after["stateReason"].startswith("probe: ") and after["counts"]["notStarted"] >= 190
    assert agree(project, op)["failed"] >= 1


def test_probe_ramps_up_over_lanes(project, peer):
    for _ in range(3):
        fill(project, 60, peer.url(peer.path(record=False)))
    op = start(project, probe=True, ratePerSecond=1000)
    assert goes_on(project, op, "completed")["counts"]["succeeded"] == 180 == agree(project, op)["succeeded"]


def test_circuit_that_opens_under_a_probe_pauses_it(project, peer):
    """Its stage can never be fed whole: it is judged by what there is."""
    fill(project, 100, peer.url(peer.path("/flaky-after/8")) if False else peer.url(peer.path(f"/down-until-told/l{next(peer.numbers)}")),
         maxAttempts=20, retrySchedule=[3600])
    op = start(project, probe=True, ratePerSecond=1000)
    assert reaches(project, op, "paused")["stateReason"].startswith("probe: 1 of 1")


def test_failed_items_of_several_webhooks_again(project, peer):
    hooks = [fill(project, 4, peer.url(peer.path("/status/400"))) for _ in range(2)]
    op = start(project)
    assert goes_on(project, op, "completed_with_failures")["counts"]["failed"] == 8
    for hook in hooks:
        project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(peer.path(record=False))}, headers=ANY)
    again = project.post(f"/v1/bulk-operations/{op['id']}/retry-failed").json()
    assert goes_on(project, again, "completed")["counts"]["succeeded"] == 8
    assert project.stack.value("SELECT count(*) FROM bulk_lanes l JOIN bulk_operations o ON o.number = l.operation"
                               " WHERE dlo_id('op', o.id) = %s", [again["id"]]) == 2


@pytest.fixture
def own_stack(make_stack):
    return make_stack()


def test_worker_and_maintainer_killed_in_the_middle(own_stack, peer):
    project = own_stack.project()
    paths = [peer.path(record=False) for _ in range(3)]
    for path in paths:
        fill(project, 600, peer.url(path))
    op = start(project, ratePerSecond=500)
    for done in (200, 500, 900):
        eventually(lambda: look(project, op)["counts"]["succeeded"] > done, 40, 0.02)
        own_stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dlo-maintainer'")
        if done == 500:
            own_stack.processes.pop("worker").kill()
            own_stack.start_worker()
    assert goes_on(project, op, "completed")["counts"]["succeeded"] == 1800 == agree(project, op)["succeeded"]
    assert states(project) == {RESOLVED: 1800} and project.rows("redrives") == 0
    assert project.stack.value("SELECT count(*) FROM attempts WHERE project_id = %s AND ends", [project.number]) == 1800
