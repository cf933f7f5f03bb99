"""Paused, disabled, deleted and gone: what is held, for how long, and what it becomes."""

import pytest

from harness.wait import eventually, stays

ANY = {"If-Match": "*"}


def post(project, hook, act):
    got = project.post(f"/v1/webhooks/{hook['id']}/{act}")
    assert got.status == 200, got


def patch(project, hook, **fields):
    got = project.patch(f"/v1/webhooks/{hook['id']}", fields, headers=ANY)
    assert got.status == 200, got


@pytest.fixture
def path(peer):
    return peer.path()


@pytest.fixture
def hook(project, peer, path):
    return project.webhook(peer.url(path))


def test_paused_webhook_gets_nothing(project, peer, path, hook):
    post(project, hook, "pause")
    project.event()
    stays(lambda: peer.count(path) == 0, 1.5)
    assert project.deliveries()[0]["heldBecause"] == "paused"


def test_resumed_webhook_gets_all_of_it(project, peer, path, hook):
    post(project, hook, "pause")
    sent = {project.event(payload=n)["eventId"] for n in range(5)}
    post(project, hook, "resume")
    assert {r.headers["webhook-id"] for r in peer.wait(path, 5)} == sent


def test_disabled_webhook_gets_it_when_enabled_again(project, peer, path, hook):
    patch(project, hook, enabled=False)
    project.event()
    stays(lambda: peer.count(path) == 0, 1.2)
    patch(project, hook, enabled=True)
    peer.wait(path)


def test_pausing_holds_a_retry_too(project, peer, clock):
    path = peer.path("/status/503")
    hook = project.webhook(peer.url(path), retrySchedule=[100])
    project.event()
    eventually(lambda: project.rows("later") == 1)
    post(project, hook, "pause")
    clock("130 seconds")
    eventually(lambda: project.rows("ready") == 1)
    stays(lambda: peer.count(path) == 1, 1.2)


def test_held_longer_than_the_budget_becomes_an_entry(project, peer, path, clock):
    hook = project.webhook(peer.url(path), holdBudgetSeconds=3600)
    post(project, hook, "pause")
    project.event(payload={"a": 1})
    clock("59 minutes")
    stays(lambda: not project.entries(), 1.5)
    clock("61 minutes")
    entry = project.wait_entry()
    assert entry["attemptCount"] == 0 and entry["attempts"] == [] and entry["terminalAttempt"]
    assert entry["originalMessage"]["payload"] == '{"a": 1}'
    assert peer.count(path) == 0
    # nobody tried: what ended it is that the webhook did not take deliveries
    assert entry["failureReason"] == "endpoint_disabled"


def test_entry_of_a_hold_can_be_redriven_after_resuming(project, peer, path, clock):
    hook = project.webhook(peer.url(path), holdBudgetSeconds=60)
    post(project, hook, "pause")
    project.event()
    clock("2 minutes")
    entry = project.wait_entry()
    post(project, hook, "resume")
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive").status == 202
    peer.wait(path)
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")


def test_hold_counts_from_when_it_could_have_been_sent(project, peer, path, clock):
    """Not from when the event came in: a retry that comes due in a pause has its whole budget."""
    hook = project.webhook(peer.url(peer.path("/status/503")), holdBudgetSeconds=3600, retrySchedule=[7200], maxAttempts=2)
    project.event()
    eventually(lambda: project.rows("later") == 1)
    post(project, hook, "pause")
    clock("150 minutes")
    eventually(lambda: project.rows("ready") == 1)
    stays(lambda: not project.entries(), 1.5)


def test_gone_disables_the_webhook(project, peer):
    path = peer.path("/gone")
    hook = project.webhook(peer.url(path), maxConcurrency=1)
    project.event()
    entry = project.wait_entry()
    assert entry["failureReason"] == "http_4xx" and entry["lastStatusCode"] == 410
    shown = eventually(lambda: (h := project.get(f"/v1/webhooks/{hook['id']}").json()) and not h["enabled"] and h)
    assert "410" in shown["disabledReason"]
    project.event()
    stays(lambda: peer.count(path) == 1, 1.2)
    assert project.deliveries(held="true")[0]["heldBecause"] == "disabled"
    actions = [r["action"] for r in project.get("/v1/audit").json()["data"] if r["actor"] == "worker"]
    assert actions == ["webhook.disable"]


def test_enabled_again_after_gone_it_gets_what_was_held(project, peer):
    path = peer.path("/gone")
    hook = project.webhook(peer.url(path), maxConcurrency=1)
    project.event()
    project.wait_entry()
    eventually(lambda: not project.get(f"/v1/webhooks/{hook['id']}").json()["enabled"])
    project.event()
    good = peer.path()
    patch(project, hook, enabled=True, url=peer.url(good))
    peer.wait(good)
    assert project.get(f"/v1/webhooks/{hook['id']}").json()["disabledReason"] is None


def test_deleted_webhooks_retries_become_entries(project, peer):
    path = peer.path("/status/503")
    hook = project.webhook(peer.url(path), retrySchedule=[3600])
    project.event()
    eventually(lambda: project.rows("later") == 1)
    assert project.delete(f"/v1/webhooks/{hook['id']}").status == 204
    entry = project.wait_entry()
    assert entry["failureReason"] == "endpoint_disabled" and entry["attemptCount"] == 1
    assert entry["replayable"] is False and entry["notReplayableReason"] == "webhook-deleted"
    assert project.rows("later") == project.rows("ready") == 0


def test_deleted_webhooks_held_deliveries_become_entries(project, peer, path, hook):
    post(project, hook, "pause")
    for n in range(3):
        project.event(payload=n)
    project.delete(f"/v1/webhooks/{hook['id']}")
    project.wait_entry(n=3)
    assert {e["failureReason"] for e in project.entries()} == {"endpoint_disabled"}
    assert peer.count(path) == 0


def test_changed_url_counts_for_the_next_attempt(project, peer, path, hook):
    post(project, hook, "pause")
    project.event()
    other = peer.path()
    patch(project, hook, url=peer.url(other))
    post(project, hook, "resume")
    peer.wait(other)
    assert peer.count(path) == 0


def test_url_that_moves_drops_header_values_not_sent_with_it(project, peer, path):
    hook = project.webhook(peer.url(path), headers={"X-Token": "s3cret"})
    other = peer.path()
    patch(project, hook, url=f"http://localhost:{peer.port}{other}")
    project.event()
    assert "x-token" not in peer.wait(other)[0].headers


def test_url_on_the_same_origin_keeps_header_values(project, peer, path):
    hook = project.webhook(peer.url(path), headers={"X-Token": "s3cret"})
    other = peer.path()
    patch(project, hook, url=peer.url(other))
    project.event()
    assert peer.wait(other)[0].headers["x-token"] == "s3cret"


# --- in the middle of retries: nothing stays in limbo --------------------------------------------------------------------


@pytest.fixture
def retrying(project, peer):
    """A webhook with one delivery that waits for its second attempt."""
    hook = project.webhook(peer.url(peer.path("/status/503")), retrySchedule=[100], maxAttempts=3)
    project.event()
    eventually(lambda: project.rows("later") == 1)
    return hook


def test_disabled_in_the_middle_of_retries_it_is_held_when_it_comes_due(project, peer, clock, retrying):
    patch(project, retrying, enabled=False)
    assert project.deliveries()[0]["heldBecause"] == "disabled"
    clock("130 seconds")
    eventually(lambda: project.rows("ready") == 1)
    held = project.deliveries(held="true")[0]
    assert held["attemptCount"] == 1 and held["nextAttemptAt"] is None and held["heldUntil"]
    good = peer.path()
    patch(project, retrying, enabled=True, url=peer.url(good))
    assert peer.wait(good)[0].headers["dlo-attempt"] == "2"
    assert project.wait_delivery(status="delivered")["attemptCount"] == 2


def test_disabled_in_the_middle_of_retries_for_longer_than_the_budget_it_becomes_an_entry(project, clock, retrying):
    patch(project, retrying, enabled=False, holdBudgetSeconds=60)
    clock("130 seconds")
    eventually(lambda: project.rows("ready") == 1)
    clock("200 seconds")
    entry = project.wait_entry()
    assert (entry["failureReason"], entry["attemptCount"]) == ("endpoint_disabled", 1)


def test_disabled_and_then_deleted_in_the_middle_of_retries_it_becomes_an_entry(project, retrying):
    patch(project, retrying, enabled=False)
    project.delete(f"/v1/webhooks/{retrying['id']}")
    assert project.wait_entry()["failureReason"] == "endpoint_disabled"
    assert project.rows("later") == project.rows("ready") == 0


def test_retry_that_a_delete_left_behind_becomes_an_entry_when_it_is_due(project, clock, retrying):
    """As after a crash between the delete and the release of what waits."""
    project.stack.sql("UPDATE webhooks SET deleted_at = dlo_now() WHERE project_id = %s", [project.number])
    assert project.rows("later") == 1
    clock("130 seconds")
    assert project.wait_entry()["failureReason"] == "endpoint_disabled"


def test_410_holds_what_waits_for_its_retry(project, peer, clock):
    path = peer.path("/status/503")
    hook = project.webhook(peer.url(path), retrySchedule=[100], maxAttempts=3)
    first = project.event()["eventId"]
    eventually(lambda: project.rows("later") == 1)
    patch(project, hook, url=peer.url(peer.path("/gone")))
    project.event()
    eventually(lambda: not project.get(f"/v1/webhooks/{hook['id']}").json()["enabled"])
    project.wait_entry()  # of the one that was answered 410
    clock("130 seconds")
    eventually(lambda: project.rows("ready") == 1)
    held = project.deliveries(held="true")
    assert [(d["eventId"], d["heldBecause"]) for d in held] == [(first, "disabled")]
    good = peer.path()
    patch(project, hook, enabled=True, url=peer.url(good))
    assert peer.wait(good)[0].headers["webhook-id"] == first


def test_redrive_to_a_webhook_that_is_disabled_meanwhile_is_held(project, peer, path):
    bad = peer.path("/status/400")
    hook = project.webhook(peer.url(bad), maxAttempts=1)
    project.event()
    entry = project.wait_entry()
    post(project, hook, "pause")
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive").status == 202
    patch(project, hook, enabled=False, url=peer.url(path))
    post(project, hook, "resume")
    assert project.deliveries(status="pending")[0]["heldBecause"] == "disabled"
    patch(project, hook, enabled=True)
    peer.wait(path)
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")


def test_cancelled_while_held_it_is_over(project, hook, path, peer):
    patch(project, hook, enabled=False)
    project.event()
    delivery = project.deliveries()[0]["id"]
    assert project.post(f"/v1/deliveries/{delivery}/cancel").json()["status"] == "cancelled"
    patch(project, hook, enabled=True)
    stays(lambda: peer.count(path) == 0, 1.2)
