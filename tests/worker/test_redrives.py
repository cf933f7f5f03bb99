"""Re-driven deliveries at the receiver, and what their outcome does to the entry they were made from."""

import os
import re
import signal

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


# --- to the original --------------------------------------------------------------------------------------------------


def original(project, entry):
    got = project.post(f"/v1/dlq/{entry['id']}/re-drive", {"target": "original"})
    assert got.status == 202, got
    return got.json()["deliveryId"]


def move(project, hook, url, **fields):
    got = project.patch(f"/v1/webhooks/{hook['id']}", {"url": url, **fields}, headers=ANY)
    assert got.status == 200, got


def ends(project, entry, state):
    return eventually(lambda: (e := project.entry(entry["id"])) and e["state"] == state and e)


def test_both_targets_of_a_webhook_that_moved(project, peer, flaky):
    hook, old, first = flaky
    project.event(type="order.paid", payload={"b": 2})
    second = eventually(lambda: [e for e in project.entries() if e["id"] != first["id"]])[0]
    new = peer.path()
    move(project, hook, peer.url(new))
    original(project, first)
    redrive(project, second)
    there = peer.wait(old, 3)[2]
    assert there.headers["x-replayed-from"] == first["id"] and there.body == b'{"a": 1.1}'
    verify(hook["secret"], there)
    assert [r.headers["x-replayed-from"] for r in peer.wait(new)] == [second["id"]]
    ends(project, first, "resolved")
    ends(project, second, "resolved")


def test_headers_are_not_shown_to_another_origin(project, peer):
    old, new = peer.path("/flaky/1"), peer.path()
    hook = project.webhook(peer.url(old), maxAttempts=1, headers={"x-token": "first"})
    project.event()
    entry = project.wait_entry()
    move(project, hook, peer.url(new).replace("127.0.0.1", "localhost"), headers={"x-token": "secret"})
    delivery = original(project, entry)
    first, again = peer.wait(old, 2)
    assert first.headers["x-token"] == "first" and "x-token" not in again.headers
    attempt = eventually(lambda: project.delivery(delivery)["attempts"])[0]
    assert "x-token" not in attempt["request"]["headers"]
    verify(hook["secret"], again)


def test_headers_are_sent_to_the_same_origin(project, peer):
    old = peer.path("/flaky/1")
    hook = project.webhook(peer.url(old), maxAttempts=1, headers={"x-token": "t"})
    project.event()
    entry = project.wait_entry()
    move(project, hook, peer.url(peer.path()))
    original(project, entry)
    assert peer.wait(old, 2)[1].headers["x-token"] == "t"


def test_retries_keep_the_target(project, peer):
    old, new = peer.path("/flaky/2"), peer.path()
    hook = project.webhook(peer.url(old), maxAttempts=1)
    project.event()
    entry = project.wait_entry()
    move(project, hook, peer.url(new), maxAttempts=3, retrySchedule=[1])
    delivery = original(project, entry)
    ends(project, entry, "resolved")
    assert [r.headers["dlo-attempt"] for r in peer.requests(old)] == ["1", "1", "2"] and peer.count(new) == 0
    assert project.delivery(delivery)["target"] == "original"


def test_original_that_fails_again_is_still_the_original(project, peer):
    """Its URL differs from later ones by a value that attempts do not show."""
    path = peer.path("/status/400")
    hook = project.webhook(peer.url(path + "?k=a"))
    project.event()
    entry = project.wait_entry()
    for value in "bc":
        move(project, hook, peer.url(path + f"?k={value}"))
    original(project, entry)
    again = eventually(lambda: [e for e in project.entries() if e["generation"] == 1])[0]
    assert project.entry(entry["id"])["state"] == "refailed"
    original(project, again)
    peer.wait(path, 3)
    assert [r.path.partition("?")[2] for r in peer.requests(path)] == ["k=a", "k=a", "k=a"]


def test_each_entry_finds_the_url_of_its_time(project, peer):
    path = peer.path("/status/400")
    hook = project.webhook(peer.url(path + "?k=0"))
    for n in range(4):
        if n:
            move(project, hook, peer.url(path + f"?k={n}"))
        project.event(payload=n)
        eventually(lambda: len(project.entries()) == n + 1)
    for entry in project.entries():
        original(project, entry)
    peer.wait(path, 8)
    assert sorted((r.body.decode(), r.path.partition("?")[2]) for r in peer.requests(path)) == [
        (str(n), f"k={n}") for n in range(4) for _ in range(2)]


def test_answer_of_the_original_says_nothing_of_the_present_url(project, peer):
    hook = project.webhook(peer.url(peer.path("/status/410")))
    project.event()
    entry = project.wait_entry()
    new = peer.path()
    eventually(lambda: not project.get(f"/v1/webhooks/{hook['id']}").json()["enabled"])
    move(project, hook, peer.url(new), enabled=True)
    original(project, entry)
    ends(project, entry, "refailed")
    assert project.get(f"/v1/webhooks/{hook['id']}").json()["enabled"] is True
    project.event()
    peer.wait(new)


def test_refused_address_of_the_original(project, peer, flaky):
    hook, old, entry = flaky
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    move(project, hook, peer.url(peer.path()))
    delivery = original(project, entry)
    project.stack.sql("UPDATE webhook_urls SET url = 'http://169.254.169.254/latest' WHERE project_id = %s", [project.number])
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    ends(project, entry, "refailed")
    again = eventually(lambda: project.entries())[0]
    assert again["failureReason"] == "address_refused" and again["deliveryId"] == delivery
    assert again["destination"]["url"] == "http://169.254.169.254/latest" and peer.count(old) == 1


def test_name_of_the_original_does_not_hold_up_the_others(project, peer, flaky):
    hook, old, entry = flaky
    new = peer.path()
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    move(project, hook, peer.url(new))
    original(project, entry)
    project.stack.sql("UPDATE webhook_urls SET url = 'http://never.example.net/' WHERE project_id = %s", [project.number])
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    for n in range(5):
        project.event(payload=n)
    peer.wait(new, 5, timeout=4.5)  # a look-up may take 5


def test_held_redrive_that_dies_names_its_target(project, peer, flaky):
    hook, old, entry = flaky
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    move(project, hook, peer.url(peer.path()))
    original(project, entry)
    project.stack.sql("UPDATE ready SET ready_at = ready_at - interval '30 days' WHERE project_id = %s", [project.number])
    again = eventually(lambda: project.entries())[0]
    assert again["failureReason"] == "endpoint_disabled" and again["destination"]["url"] == peer.url(old)


def test_killed_sender_keeps_the_target(stack, project, peer):
    old, new = peer.path("/delay/3000"), peer.path()
    hook = project.webhook(peer.url(old), timeoutMs=500, maxAttempts=1)
    project.event()
    entry = project.wait_entry()
    move(project, hook, peer.url(new), timeoutMs=20000)
    delivery = original(project, entry)
    peer.wait(old, 2)
    for pid in stack.sql("SELECT pid FROM senders WHERE seen_at > clock_timestamp() - interval '5 seconds'"):
        os.kill(pid[0], signal.SIGKILL)
    assert peer.wait(old, 3, timeout=40)[2].headers["dlo-delivery-id"] == delivery
    ends(project, entry, "resolved")
    assert peer.count(new) == 0


def test_operation_to_the_originals(project, peer):
    old, new = peer.path("/flaky/1"), peer.path()
    hook = project.webhook(peer.url(old), maxAttempts=1)
    for n in range(5):
        project.event(payload=n)
    eventually(lambda: len(project.entries()) == 5)
    move(project, hook, peer.url(new))
    project.stack.sql("UPDATE dead_letter_bodies SET attempts = '[]', url = 'http://elsewhere.test/' WHERE project_id = %s"
                      " AND id = (SELECT id FROM dead_letters WHERE project_id = %s LIMIT 1)", [project.number] * 2)
    made = project.post("/v1/dlq/bulk-re-drive", {"all": True, "target": "original"}, headers={"Idempotency-Key": "o-1"})
    assert made.status == 202 and made.json()["target"] == "original", made
    done = eventually(lambda: (o := project.get(f"/v1/bulk-operations/{made.json()['id']}").json())["finishedAt"] and o, 30)
    assert (done["counts"]["succeeded"], done["counts"]["skipped"]) == (4, 1)
    assert [i["cause"] for i in done["items"] if i["outcome"] == "skipped"] == ["original-unknown"]
    assert peer.count(old) == 9 and peer.count(new) == 0


def test_snapshot_that_died_before_it_was_sent_is_still_the_snapshot(project, peer):
    path = peer.path("/flaky/1")
    hook = project.webhook(peer.url(path), maxAttempts=1, transform='{short: .long[0:1]}')
    project.event(payload={"long": "x" * 100})
    entry = project.wait_entry()
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    redrive(project, entry)
    project.stack.sql("UPDATE ready SET ready_at = ready_at - interval '30 days' WHERE project_id = %s", [project.number])
    again = eventually(lambda: project.entries())[0]
    assert again["attemptCount"] == 0
    project.patch(f"/v1/webhooks/{hook['id']}", {"transform": None}, headers=ANY)
    project.post(f"/v1/webhooks/{hook['id']}/resume")
    redrive(project, again)
    assert [r.body for r in peer.wait(path, 2)] == [b'{"short":"x"}'] * 2
