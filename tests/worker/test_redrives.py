"""Re-driven deliveries at the receiver, and what their outcome does to the entry they were made from."""

import re

import pytest

from harness.wait import eventually, stays
from worker_helpers import verify

ANY = {"If-Match": "*"}


def redrive(project, entry):
    got = project.post(f"/v1/dlq/{entry['id']}/re-drive")
    assert got.status == 202, got
    return got.json()["deliveryId"]


def totals(project):
    return {state: project.get(f"/v1/dlq?state={state}&count=exact").json()["total"]
            for state in ("open", "replaying", "resolved", "refailed")}


@pytest.fixture
def flaky(project, peer):
    """A receiver that refuses once; its webhook, path and entry."""
    path = peer.path("/flaky/1")
    hook = project.webhook(peer.url(path), maxAttempts=1)
    project.event(type="order.paid", channel="orders", payload={"a": 1.10})
    return hook, path, project.wait_entry()


def test_redriven_event_arrives_with_its_marks(project, peer, flaky):
    hook, path, entry = flaky
    delivery = redrive(project, entry)
    first, again = peer.wait(path, 2)
    assert again.body == first.body
    assert again.headers["webhook-id"] == first.headers["webhook-id"] == entry["eventId"]
    assert again.headers["dlo-delivery-id"] == delivery != first.headers["dlo-delivery-id"]
    assert again.headers["x-replayed-from"] == entry["id"] and again.headers["x-replay-generation"] == "1"
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", again.headers["x-replayed-at"])
    assert again.headers["dlo-attempt"] == "1" and again.headers["dlo-channel"] == "orders"
    assert not [h for h in first.headers if h.startswith("x-replay")]
    verify(hook["secret"], again)


def test_entry_is_resolved_when_it_arrives(project, flaky):
    _, _, entry = flaky
    delivery = redrive(project, entry)
    after = eventually(lambda: (e := project.entry(entry["id"])) and e["state"] == "resolved" and e)
    assert after["replayedAs"] == delivery and after["replayable"] is False
    assert totals(project) == {"open": 0, "replaying": 0, "resolved": 1, "refailed": 0}
    assert project.delivery(delivery)["status"] == "delivered"
    assert project.rows("redrives") == 0


def test_story_of_a_resolved_entry_is_unchanged(project, flaky):
    _, _, entry = flaky
    redrive(project, entry)
    after = eventually(lambda: (e := project.entry(entry["id"])) and e["state"] == "resolved" and e)
    for name in ("attempts", "originalMessage", "failureReason", "lastError", "createdAt", "attemptCount", "fingerprint"):
        assert after[name] == entry[name], name


def test_redrive_that_fails_makes_an_entry_of_the_next_generation(project, peer):
    entry = project.dead_letter(peer, channel="orders", externalId="x", metadata={"k": "v"}, payload={"a": 1})
    delivery = redrive(project, entry)
    again = eventually(lambda: project.entries())[0]
    assert again["id"] != entry["id"] and again["generation"] == 1 and again["deliveryId"] == delivery
    assert again["eventId"] == entry["eventId"]
    assert project.entry(entry["id"])["state"] == "refailed"
    whole = project.entry(again["id"])
    assert whole["originalMessage"] == entry["originalMessage"]
    for name in ("externalId", "channel", "eventType", "webhookId", "fingerprint"):
        assert whole[name] == entry[name], name
    assert len(whole["attempts"]) == 1 and whole["attemptCount"] == 1
    assert totals(project) == {"open": 1, "replaying": 0, "resolved": 0, "refailed": 1}
    assert project.delivery(entry["deliveryId"])["effectiveStatus"] == "failed"


def test_three_generations(project, peer):
    path = peer.path("/flaky/3")
    project.webhook(peer.url(path), maxAttempts=1)
    project.event()
    project.wait_entry()
    for generation in (1, 2, 3):
        entry = eventually(lambda: [e for e in project.entries() if e["generation"] == generation - 1])[0]
        redrive(project, entry)
    eventually(lambda: totals(project) == {"open": 0, "replaying": 0, "resolved": 1, "refailed": 2})
    assert [r.headers.get("x-replay-generation") for r in peer.requests(path)] == [None, "1", "2", "3"]


def test_redrive_has_its_own_retries(project, peer):
    path = peer.path("/flaky/2")
    hook = project.webhook(peer.url(path), maxAttempts=1)
    project.event()
    entry = project.wait_entry()
    project.patch(f"/v1/webhooks/{hook['id']}", {"maxAttempts": 3, "retrySchedule": [1]}, headers=ANY)
    delivery = redrive(project, entry)
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")
    assert [a["n"] for a in project.delivery(delivery)["attempts"]] == [1, 2]
    assert [r.headers["dlo-attempt"] for r in peer.requests(path)] == ["1", "1", "2"]
    assert peer.requests(path)[2].headers["x-replayed-from"] == entry["id"]


def test_redrive_goes_to_the_webhook_as_it_is_now(project, peer):
    entry = project.dead_letter(peer)
    path = peer.path()
    project.patch(f"/v1/webhooks/{entry['webhookId']}", {"url": peer.url(path)}, headers=ANY)
    redrive(project, entry)
    assert peer.wait(path)[0].headers["x-replayed-from"] == entry["id"]
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")


def test_large_payload_is_redriven_whole(project, peer):
    path = peer.path("/flaky/1")
    project.webhook(peer.url(path), maxAttempts=1)
    project.event(payload="x" * 200_000)
    redrive(project, project.wait_entry())
    first, again = peer.wait(path, 2)
    assert len(first.body) == 200_002 and again.body == first.body


def test_redrive_of_a_paused_webhook_waits(project, peer, flaky):
    hook, path, entry = flaky
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    redrive(project, entry)
    stays(lambda: peer.count(path) == 1, 1.2)
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    peer.wait(path, 2)


def test_cancelled_redrive_is_not_sent_and_can_be_made_again(project, peer, flaky):
    hook, path, entry = flaky
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    delivery = redrive(project, entry)
    assert project.post(f"/v1/deliveries/{delivery}/cancel").status == 200
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    stays(lambda: peer.count(path) == 1, 1.2)
    assert totals(project)["open"] == 1
    redrive(project, entry)
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")


def test_redrive_of_a_deleted_webhook_meanwhile_ends_as_an_entry(project, peer, flaky):
    hook, _, entry = flaky
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    redrive(project, entry)
    project.delete(f"/v1/webhooks/{hook['id']}")
    again = eventually(lambda: project.entries())[0]
    assert again["generation"] == 1 and again["failureReason"] == "endpoint_disabled"
    assert project.entry(entry["id"])["state"] == "refailed"


def test_many_redrives_arrive_once_each(project, peer):
    path = peer.path("/down-until-told/many", record=False)
    hook = project.webhook(peer.url(path), maxAttempts=1, expectedStatuses=[503])  # the circuit stays closed
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(150)]})
    project.wait_entry(n=150, limit=200)
    peer.control("up", "POST", name="many")
    for entry in project.entries(limit=200):
        redrive(project, entry)
    eventually(lambda: totals(project) == {"open": 0, "replaying": 0, "resolved": 150, "refailed": 0}, 30)
    assert set(peer.ids(path).values()) == {2}
    assert project.get(f"/v1/webhooks/{hook['id']}/health").json()["openDeadLetters"] == 0
