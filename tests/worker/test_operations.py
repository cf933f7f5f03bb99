"""Bulk operations under way: their pace, pause and cancel, the probe, and kill -9 of everything in the middle."""

import signal
import time

import pytest

from harness.bulk import OPEN, RESOLVED, agree, fill, goes_on, look, reaches, start, states
from harness.plans import log_plans, plans_of
from harness.wait import eventually, stays

ANY = {"If-Match": "*"}

# --- pace -------------------------------------------------------------------------------------------------------------


def test_rate_is_kept_and_changed_under_way(project, peer):
    fill(project, 4000, peer.url(peer.path(record=False)))
    began = time.monotonic()
    op = start(project, ratePerSecond=20)
    after = eventually(lambda: (o := look(project, op))["counts"]["succeeded"] >= 60 and o, every=0.1)
    took = time.monotonic() - began
    assert after["counts"]["succeeded"] <= 20 * (took + 2.5)
    assert took > 0.5
    assert 0 < after["etaSeconds"] <= 4000 / 2 and 0 < after["actualRate"] < 40
    project.patch(f"/v1/bulk-operations/{op['id']}", {"ratePerSecond": 1000})
    assert reaches(project, op, "completed")["counts"]["succeeded"] == 4000  # in a minute at most, not in three
    assert agree(project, op)["total"] == 4000


def test_five_thousand_at_full_rate(project, peer):
    fill(project, 5000, peer.url(path := peer.path(record=False)), maxConcurrency=200)
    op = start(project, ratePerSecond=2000)
    after = goes_on(project, op, "completed")
    assert after["counts"]["succeeded"] == 5000 and agree(project, op)
    assert states(project) == {RESOLVED: 5000}
    assert peer.count(path) == 5000
    assert project.get("/v1/dlq?state=resolved&count=exact").json()["total"] == 5000


def test_never_more_under_way_than_the_bound(project, peer):
    hook = fill(project, 6000, peer.url(peer.path("/hang")), timeoutMs=60000)
    op = start(project, ratePerSecond=2000)
    eventually(lambda: project.rows("ready") >= 4000, 30, 0.2)
    stays(lambda: project.rows("ready") == 4000, 1.5, 0.3)
    assert look(project, op)["counts"]["notStarted"] == 2000
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    project.post(f"/v1/bulk-operations/{op['id']}/cancel")
    after = reaches(project, op, "cancelled")
    assert after["cancelledItems"] == 4000 and after["counts"]["notStarted"] == 2000 and agree(project, op)
    assert states(project) == {OPEN: 6000} and project.rows("ready") == project.rows("redrives") == 0
    assert project.get("/v1/dlq?count=exact").json()["total"] == 6000


@pytest.mark.parametrize("kind", ["discard", "purge"])
def test_letting_go_of_many(project, peer, kind):
    fill(project, 5000, peer.url(peer.path()))
    op = start(project, kind, reason="r")
    assert reaches(project, op, "completed")["counts"]["succeeded"] == 5000
    assert agree(project, op) and project.get("/v1/dlq?count=exact").json()["total"] == 0
    assert states(project) == {5 if kind == "discard" else 7: 5000}


# --- steering ---------------------------------------------------------------------------------------------------------


def test_pause_and_resume_under_way(project, peer):
    fill(project, 400, peer.url(path := peer.path(record=False)))
    op = start(project, ratePerSecond=100)
    eventually(lambda: look(project, op)["counts"]["succeeded"] > 20)
    project.post(f"/v1/bulk-operations/{op['id']}/pause")
    still = eventually(lambda: (o := look(project, op))["counts"]["sent"] == 0 and o)["counts"]
    assert 0 < still["notStarted"] < 400
    stays(lambda: look(project, op)["counts"] == still, 1.2, 0.2)
    project.post(f"/v1/bulk-operations/{op['id']}/resume")
    assert reaches(project, op, "completed")["counts"]["succeeded"] == 400
    assert peer.count(path) == 400 and agree(project, op)


def test_cancel_under_way_adds_up(project, peer):
    fill(project, 500, peer.url(path := peer.path(record=False)))
    op = start(project, ratePerSecond=100)
    eventually(lambda: look(project, op)["counts"]["succeeded"] > 150)
    project.post(f"/v1/bulk-operations/{op['id']}/cancel")
    after = reaches(project, op, "cancelled")["counts"]
    assert after["notStarted"] > 0 and after["sent"] == 0 and after["succeeded"] == peer.count(path)
    assert states(project) == {OPEN: after["notStarted"], RESOLVED: after["succeeded"]} and agree(project, op)


def test_cancel_takes_back_what_waits_for_a_retry(project, peer):
    fill(project, 5, peer.url(peer.path("/status/503")), retrySchedule=[3600])
    op = start(project)
    eventually(lambda: project.rows("later") == 5)
    project.post(f"/v1/bulk-operations/{op['id']}/cancel")
    assert reaches(project, op, "cancelled")["cancelledItems"] == 5
    assert project.rows("later") == 0 and states(project) == {OPEN: 5} and agree(project, op)


def test_operation_ends_after_seven_days(project, peer, clock):
    fill(project, 3, peer.url(peer.path("/status/503")), retrySchedule=[86400])
    op = start(project)
    eventually(lambda: project.rows("later") == 3)
    project.post(f"/v1/bulk-operations/{op['id']}/pause")
    project.stack.sql("UPDATE bulk_operations SET created_at = created_at - interval '8 d', start_at = start_at - interval '8 d'")
    after = reaches(project, op, "failed")
    assert after["stateReason"] and after["cancelledItems"] == 3 and states(project) == {OPEN: 3} and agree(project, op)


# --- the probe --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, hook", [("/status/400", {}), ("/status/503", {"retrySchedule": [3600]})])
def test_probe_stops_at_a_receiver_that_fails(project, peer, mode, hook):
    fill(project, 500, peer.url(path := peer.path(mode)), **hook)
    op = start(project, probe=True, ratePerSecond=1000)
    after = reaches(project, op, "paused")
    assert after["stateReason"].startswith("probe: 1 of 1 failed") and after["counts"]["notStarted"] == 499
    assert peer.count(path) == 1 and after["probe"] is True


def test_probe_begins_again_when_resumed(project, peer):
    hook = fill(project, 100, peer.url(peer.path("/status/400")))
    op = start(project, probe=True)
    reaches(project, op, "paused")
    project.post(f"/v1/bulk-operations/{op['id']}/resume")
    assert eventually(lambda: (o := look(project, op))["counts"]["failed"] == 2 and o["state"] == "paused" and o)
    project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(peer.path())}, headers=ANY)
    project.post(f"/v1/bulk-operations/{op['id']}/resume")
    after = reaches(project, op, "completed_with_failures")["counts"]
    assert after["failed"] == 2 and after["succeeded"] == 98 and agree(project, op)


def refuses_each(n):
    """A webhook's schema that rejects the payload of each n-th item."""
    return {"payloadSchema": {"properties": {"n": {"not": {"multipleOf": n}}}}}


def test_probe_stops_a_stage_of_which_a_third_fails(project, peer):
    fill(project, 200, peer.url(path := peer.path()), **refuses_each(3))
    op = start(project, probe=True, mode="current", ratePerSecond=1000)
    after = reaches(project, op, "paused")
    assert after["stateReason"].startswith("probe: 2 of 5 failed") and peer.count(path) == 4
    assert after["counts"]["notStarted"] == 194 and agree(project, op)["failed"] == 2


def test_probe_goes_on_while_a_tenth_fails(project, peer):
    fill(project, 200, peer.url(path := peer.path()), **refuses_each(10))
    op = start(project, probe=True, mode="current", ratePerSecond=1000)
    after = goes_on(project, op, "completed_with_failures")["counts"]
    assert after["failed"] == 20 and after["succeeded"] == 180 == peer.count(path) and agree(project, op)


@pytest.fixture
def probe_sizes(stack, project):
    """Each size that a probe of the project has had: who only looks now and then may miss one."""
    stack.sql("""CREATE TABLE probe_sizes (project_id integer, n integer);
        CREATE FUNCTION note_size() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN INSERT INTO public.probe_sizes VALUES (NEW.project_id, NEW.probe_size); RETURN NULL; END';
        CREATE TRIGGER note_size AFTER UPDATE ON bulk_operations FOR EACH ROW EXECUTE FUNCTION note_size()""")
    yield lambda: {n for n, in stack.sql("SELECT DISTINCT n FROM probe_sizes WHERE project_id = %s", [project.number])}
    stack.sql("DROP TRIGGER note_size ON bulk_operations; DROP FUNCTION note_size(); DROP TABLE probe_sizes")


def test_probe_ramps_up(project, peer, probe_sizes):
    fill(project, 120, peer.url(peer.path()))
    op = start(project, probe=True, ratePerSecond=1000)
    goes_on(project, op, "completed")
    assert {5, 20, 40, 80} <= probe_sizes() <= {1, 5, 20, 40, 80, 160}  # the last one may be judged before it has ended
    assert agree(project, op)["succeeded"] == 120


# --- lifetimes --------------------------------------------------------------------------------------------------------


def test_what_expires_before_its_turn_is_skipped(stack, peer, clock):
    project = stack.project(days=1)
    fill(project, 10, peer.url(path := peer.path()))
    op = start(project, startAt=stack.value("SELECT dlo_iso(dlo_now() + interval '20 hours')"))
    stack.sql("UPDATE dead_letters SET created_at = created_at - interval '8 hours' WHERE project_id = %s AND id IN"
              " (SELECT entry_id FROM bulk_items i JOIN bulk_operations o ON o.number = i.operation"
              "   WHERE o.project_id = %s AND i.item <= 4)", [project.number, project.number])
    clock("20 hours 1 minute")
    after = reaches(project, op, "completed")
    assert after["counts"]["skipped"] == 4 and after["counts"]["succeeded"] == 6 and peer.count(path) == 6
    skipped = project.get(f"/v1/bulk-operations/{op['id']}/items?outcome=skipped").json()["data"]
    assert {i["cause"] for i in skipped} == {"expired"} and [i["item"] for i in skipped] == [1, 2, 3, 4]


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def test_what_is_skipped_is_given_back_to_the_rate(project, peer):
    hook = fill(project, 30, peer.url(peer.path()))
    assert project.delete(f"/v1/webhooks/{hook['id']}").status in (200, 204)
    op = start(project, ratePerSecond=1)
    assert goes_on(project, op, "completed")["counts"]["skipped"] == 30
    assert project.stack.value("SELECT tokens FROM bulk_operations WHERE project_id = %s", [project.number]) >= 1


@pytest.fixture
def own_stack(make_stack):
    """One that may be killed."""
    return make_stack(senders=1)


def once_each(project, peer, path, op, n):
    """Every entry was re-driven once: one delivery each, and the counts say so."""
    assert agree(project, op) == {"total": n, "notStarted": 0, "sent": 0, "succeeded": n, "failed": 0, "skipped": 0}
    assert states(project) == {RESOLVED: n}
    assert project.rows("ready") == project.rows("later") == project.rows("redrives") == 0
    assert project.stack.value("SELECT count(*) FROM attempts WHERE project_id = %s AND ends", [project.number]) == n
    assert project.stack.value("SELECT count(DISTINCT entry_id) FROM attempts WHERE project_id = %s", [project.number]) == n
    assert len(peer.ids(path)) == n


def test_worker_killed_in_the_middle(own_stack, peer):
    project = own_stack.project()
    fill(project, 3000, peer.url(path := peer.path(record=False)))
    op = start(project, ratePerSecond=500)
    for done in (300, 900, 1500):
        eventually(lambda: look(project, op)["counts"]["succeeded"] > done, 40, 0.05)
        own_stack.processes["worker"].kill()
        own_stack.processes.pop("worker")
        look(project, op)
        own_stack.start_worker()
    reaches(project, op, "completed", 60)
    once_each(project, peer, path, op, 3000)


def test_database_killed_in_the_middle(own_stack, peer):
    project = own_stack.project()
    fill(project, 3000, peer.url(path := peer.path(record=False)))
    op = start(project, ratePerSecond=500)
    for done in (300, 1200):
        eventually(lambda: look(project, op)["counts"]["succeeded"] > done, 40, 0.05)
        own_stack.cluster.kill_and_restart()
    eventually(lambda: project.get(f"/v1/bulk-operations/{op['id']}").status == 200, 30, 0.2)
    reaches(project, op, "completed", 60)
    once_each(project, peer, path, op, 3000)


def test_maintainer_killed_while_it_lets_go(own_stack, peer):
    project = own_stack.project()
    fill(project, 20_000, peer.url(peer.path()))
    op = start(project, "purge")
    for done in (1000, 9000):
        eventually(lambda: look(project, op)["counts"]["succeeded"] > done, 40, 0.02)
        own_stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dlo-maintainer'")
    reaches(project, op, "completed", 60)
    assert agree(project, op)["succeeded"] == 20_000 and states(project) == {7: 20_000}


def test_operation_whose_statement_fails_ends(own_stack, peer):
    project = own_stack.project()
    fill(project, 10, peer.url(peer.path()))
    own_stack.sql("ALTER TABLE bulk_items RENAME COLUMN item TO broken")
    try:
        op = start_by_hand(own_stack, project)
        eventually(lambda: own_stack.value("SELECT state FROM bulk_operations WHERE id = %s", [op]) == 8)
        assert own_stack.value("SELECT cause FROM bulk_operations WHERE id = %s", [op])
    finally:
        own_stack.sql("ALTER TABLE bulk_items RENAME COLUMN broken TO item")


def start_by_hand(stack, project):
    return stack.value("""INSERT INTO bulk_operations (id, project_id, kind, state, query, actor, anew, truncated, total, start_at)
        VALUES (gen_random_uuid(), %s, 1, 2, '{}', 'cli', false, false, 10, dlo_now()) RETURNING id""", [project.number])


# --- what is named twice is in the set once ----------------------------------------------------------------------------

FINGERPRINT = "ab" * 16
TWICE = [{"state": ["open", "open"]}, {"eventType": ["order.paid", "order.paid"]}, {"statusCode": [503, "0503"]},
         {"generation": ["0", "00"]}, {"fingerprint": [FINGERPRINT, FINGERPRINT.upper()]}, {"failureReason": ["timeout", "timeout"]},
         {"channel": ["bulk", "bulk"], "state": ["open", "open"]}]


@pytest.mark.parametrize("filters", TWICE, ids=lambda f: "-".join(f))
@pytest.mark.parametrize("kind, state", [("re-drive", "resolved"), ("discard", "discarded")])
def test_value_named_twice(project, peer, kind, state, filters):
    fill(project, 5, peer.url(path := peer.path()))
    project.stack.sql("UPDATE dead_letters SET fingerprint = decode(%s, 'hex') WHERE project_id = %s", [FINGERPRINT, project.number])
    if "failureReason" in filters:
        named = project.get("/v1/dlq").json()["data"][0]["failureReason"]
        filters = {"failureReason": [named, named]}
    body = {"filters": filters, **({"reason": "r"} if kind == "discard" else {"ratePerSecond": 1000})}
    planned = project.post(f"/v1/dlq/bulk-{kind}", {**body, "dryRun": True})
    assert planned.status == 200 and planned.json()["matched"] == 5, planned
    made = project.post(f"/v1/dlq/bulk-{kind}", body, headers={"Idempotency-Key": f"twice-{project.number}"})
    assert made.status == 202 and made.json()["counts"]["total"] == 5, made
    assert goes_on(project, made.json(), "completed")["counts"]["succeeded"] == 5 == agree(project, made.json())["succeeded"]
    if kind == "re-drive":
        assert peer.count(path) == 5
    assert project.get(f"/v1/dlq?state={state}&count=exact").json()["total"] == 5
    counted = dict(project.stack.sql("SELECT state, sum(n) FROM (SELECT state, n FROM dlq_counts WHERE project_id = %(p)s UNION ALL"
                                     " SELECT state, n FROM dlq_deltas WHERE project_id = %(p)s) c GROUP BY 1 HAVING sum(n) <> 0",
                                     {"p": project.number}))
    assert counted == states(project)


def test_operation_that_a_constraint_stops_ends(own_stack, peer):
    """Whatever put an entry into a set twice: it must not be tried for ever."""
    project = own_stack.project()
    fill(project, 5, peer.url(peer.path()))
    op = start(project, startAt=own_stack.value("SELECT dlo_iso(dlo_now() + interval '1 hour')"))
    own_stack.sql("UPDATE bulk_items SET entry_id = (SELECT entry_id FROM bulk_items WHERE item = 1) WHERE item = 2")
    own_stack.sql("UPDATE bulk_operations SET start_at = dlo_now()")
    after = reaches(project, op, "failed")
    assert "redrives_entry_id_key" in after["stateReason"] and after["counts"]["notStarted"] == 5
    assert any("redrives_entry_id_key" in text for name, text in own_stack.logs() if name == "worker")


def test_stage_that_waits_is_judged_once_a_second(own_stack, peer):
    project = own_stack.project()
    hook = fill(project, 50, peer.url(peer.path()))
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    op = start(project, probe=True, ratePerSecond=1000)
    eventually(lambda: look(project, op)["counts"]["sent"] == 1)
    log_plans(own_stack)
    plans = plans_of(own_stack, lambda: stays(lambda: look(project, op)["counts"]["sent"] == 1, 3, 0.3))
    judged = [p for p in plans if "r.item = i.item" in p.statement]
    assert 1 <= len(judged) <= 12, len(judged)  # 3 or 4; sixty if each turn did
