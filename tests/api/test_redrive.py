"""Re-drive, discard, restore: what happens to an entry, over HTTP. (What the sender does with it: tests/worker.)"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.wait import eventually

STACK = {"desk": 4}
ANY = {"If-Match": "*"}


def act(project, entry, what, body=b"", **kw):
    return project.post(f"/v1/dlq/{entry['id']}/{what}", body, **kw)


@pytest.fixture
def entry(project, peer):
    return project.dead_letter(peer)


@pytest.fixture
def held(project, peer):
    """An entry whose webhook is paused: its re-drive stays pending."""
    entry = project.dead_letter(peer)
    project.post(f"/v1/webhooks/{entry['webhookId']}/pause")
    return entry


@pytest.mark.parametrize("name", ["re-drive", "replay", "retry"])
def test_redrive_makes_a_new_delivery(project, held, name):
    got = act(project, held, name)
    assert got.status == 202
    assert got.json()["replayOf"] == held["id"]
    assert got.json()["deliveryId"].startswith("dlv_") and got.json()["deliveryId"] != held["deliveryId"]


def test_entry_is_replaying_meanwhile(project, held):
    made = act(project, held, "re-drive").json()
    entry = project.entry(held["id"])
    assert entry["state"] == "replaying" and entry["replayedAs"] == made["deliveryId"]
    assert entry["replayable"] is False and entry["notReplayableReason"]
    assert project.entries() == [] and len(project.entries(state="replaying")) == 1


def test_delivery_of_a_redrive_names_its_entry(project, held):
    made = act(project, held, "re-drive").json()
    delivery = project.delivery(made["deliveryId"])
    assert delivery["replayOf"] == held["id"] and delivery["status"] == "pending"
    assert delivery["eventId"] == held["eventId"] and delivery["webhookId"] == held["webhookId"]


def test_second_call_answers_the_pending_one(project, held):
    first = act(project, held, "re-drive").json()
    second = act(project, held, "re-drive")
    assert second.status == 200
    assert second.json() == {**first, "reused": True}


def test_delivery_id_in_the_path_finds_the_entry(project, held):
    got = project.post(f"/v1/dlq/{held['deliveryId']}/re-drive")
    assert got.status == 202 and got.json()["replayOf"] == held["id"]


def test_replay_of_the_delivery_is_the_entrys_redrive(project, held):
    got = project.post(f"/v1/deliveries/{held['deliveryId']}/replay")
    assert got.status == 202 and got.json()["replayOf"] == held["id"]


def test_fifty_at_once_make_one_delivery(project, held):
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: act(project, held, "re-drive"), range(50)))
    assert {a.status for a in answers} == {200, 202}
    assert len([a for a in answers if a.status == 202]) == 1
    assert len({a.json()["deliveryId"] for a in answers}) == 1
    assert project.rows("redrives") == project.rows("ready") == 1


@pytest.mark.parametrize("body", [{}, [], {"mode": "snapshot"}, {"mode": "current"}, {"target": "current"}, {"mode": "snapshot", "target": "current"},
                                  {"target": "original"}, {"mode": "current", "target": "original"}])
def test_bodies_that_say_the_usual_are_taken(project, held, body):
    assert act(project, held, "re-drive", body).status == 202


@pytest.mark.parametrize("body, status, code", [
    ({"target": "x"}, 400, "bad-value"), ({"target": 1}, 400, None), ({"mode": "x"}, 400, None), ({"mode": 1}, 400, None), ({"evil": 1}, 400, "unknown-field"), ("x", 400, None),
])
def test_bodies_that_are_refused_change_nothing(project, held, body, status, code):
    got = act(project, held, "re-drive", body)
    assert got.status == status and (code is None or got.code == code)
    assert project.entry(held["id"])["state"] == "open"


def test_disabled_webhook_is_409(project, entry):
    project.patch(f"/v1/webhooks/{entry['webhookId']}", {"enabled": False}, headers={"If-Match": "*"})
    got = act(project, entry, "re-drive")
    assert got.status == 409 and got.code == "endpoint-disabled"
    assert project.entry(entry["id"])["notReplayableReason"] == "endpoint-disabled"


def test_deleted_webhook_is_409(project, entry):
    project.delete(f"/v1/webhooks/{entry['webhookId']}")
    got = act(project, entry, "re-drive")
    assert got.status == 409 and got.code == "webhook-deleted"
    assert project.entry(entry["id"])["replayable"] is False


def test_idempotency_key_answers_the_same(project, held):
    headers = {"Idempotency-Key": "r-1"}
    first = act(project, held, "re-drive", headers=headers)
    second = act(project, held, "re-drive", headers=headers)
    assert second.status == 202 and second.json() == first.json() and second.headers["idempotency-replayed"] == "true"


def test_redrive_is_audited(project, held):
    act(project, held, "re-drive")
    (row,) = project.get("/v1/audit", query={"object": held["id"]}).json()["data"]
    assert row["action"] == "dlq.redrive" and row["actor"].startswith("key_")


# --- to the original --------------------------------------------------------------------------------------------------


def move(project, entry, url, **fields):
    got = project.patch(f"/v1/webhooks/{entry['webhookId']}", {"url": url, **fields}, headers=ANY)
    assert got.status == 200, got


def original(project, entry):
    return act(project, entry, "re-drive", {"target": "original"})


def test_original_of_a_webhook_that_stayed_is_an_ordinary_redrive(project, held):
    made = original(project, held).json()
    assert project.delivery(made["deliveryId"])["target"] == "current" and project.rows("redrive_targets") == 0


def test_details_say_the_target(project, peer, held):
    assert project.entry(held["id"])["target"] is None and project.delivery(held["deliveryId"])["target"] is None
    move(project, held, peer.url("/ok"))
    made = original(project, held)
    assert made.status == 202
    assert project.delivery(made.json()["deliveryId"])["target"] == "original"
    assert project.entry(held["id"])["target"] == "original"


def test_current_of_a_webhook_that_moved(project, peer, held):
    move(project, held, peer.url("/ok"))
    made = act(project, held, "re-drive").json()
    assert project.delivery(made["deliveryId"])["target"] == "current"
    assert project.entry(held["id"])["target"] == "current"


def test_webhook_that_came_back_is_an_ordinary_redrive(project, peer, held):
    there = project.get(f"/v1/webhooks/{held['webhookId']}").json()["url"]
    move(project, held, peer.url("/ok"))
    move(project, held, there)
    assert original(project, held).status == 202 and project.rows("redrive_targets") == 0


def test_original_that_is_not_known_any_more_is_409(project, peer, held):
    move(project, held, peer.url("/ok"))
    project.stack.sql("DELETE FROM webhook_urls WHERE project_id = %s", [project.number])
    got = original(project, held)
    assert got.status == 409 and got.code == "original-unknown"
    assert project.entry(held["id"])["state"] == "open" and act(project, held, "re-drive").status == 202


def test_fifty_at_once_to_the_original_make_one_delivery(project, peer, held):
    move(project, held, peer.url("/ok"))
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: original(project, held) if n % 2 else act(project, held, "re-drive"), range(50)))
    assert sorted({a.status for a in answers}) == [200, 202]
    assert len([a for a in answers if a.status == 202]) == 1 and len({a.json()["deliveryId"] for a in answers}) == 1
    assert project.rows("redrives") == project.rows("ready") == 1 and project.rows("redrive_targets") <= 1


def test_deliverys_replay_takes_a_target(project, peer, held):
    move(project, held, peer.url("/ok"))
    got = project.post(f"/v1/deliveries/{held['deliveryId']}/replay", {"target": "original"})
    assert project.delivery(got.json()["deliveryId"])["target"] == "original"


def test_audit_says_the_target(project, peer, held):
    move(project, held, peer.url("/ok"))
    original(project, held)
    (row,) = project.get("/v1/audit", query={"object": held["id"]}).json()["data"]
    assert row["detail"]["target"] == "original"


def test_urls_of_a_webhook_are_bounded(project, peer, held):
    for n in range(103):
        move(project, held, peer.url(f"/ok/{n}"))
    assert project.rows("webhook_urls") == 100
    assert original(project, held).code == "original-unknown"


def test_url_of_a_pending_redrive_is_not_cut(project, peer, held):
    move(project, held, peer.url("/ok"))
    original(project, held)
    for n in range(103):
        move(project, held, peer.url(f"/ok/{n}"))
    assert project.rows("webhook_urls") == 101


@pytest.mark.parametrize("query", ["", "?", "?a", "?a=1", "?a=1&b=&c", "?=;=&=x", "?a=b=c?d=e;f", "?a/b=%20"])
def test_url_is_shown_alike_by_both(project, peer, query):
    """What is compared in the database is what attempts show."""
    entry = project.dead_letter(peer, mode="/status/400" + query)
    url = project.get(f"/v1/webhooks/{entry['webhookId']}").json()["url"]
    shown = project.stack.value("SELECT dlo_shown_url(%s)", [url])
    assert shown == entry["attempts"][0]["request"]["url"] and ("=" in query) == ("[redacted]" in shown)


# --- bytes that are gone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, code", [("snapshot", "snapshot-expired"), ("current", "payload-expired")])
def test_bytes_that_are_gone_are_409_with_the_cause(project, held, mode, code):
    project.stack.sql("UPDATE dead_letter_bodies SET payload = '' WHERE project_id = %s", [project.number])
    got = act(project, held, "re-drive", {"mode": mode})
    assert got.status == 409 and got.code == code
    assert project.entry(held["id"])["state"] == "open" and project.rows("redrives") == 0


def test_snapshot_outlives_the_payload(project, held):
    project.stack.sql("UPDATE dead_letter_bodies SET payload = '', dispatched = '{}' WHERE project_id = %s", [project.number])
    assert act(project, held, "re-drive", {"mode": "current"}).code == "payload-expired"
    assert act(project, held, "re-drive").status == 202


# --- discard, restore -------------------------------------------------------------------------------------------------


def test_discarded_with_a_reason(project, entry):
    got = act(project, entry, "discard", {"reason": "known"})
    assert got.status == 200 and got.json()["state"] == "discarded"
    assert got.json()["replayable"] is False
    assert project.entries() == [] and len(project.entries(state="discarded")) == 1
    assert act(project, entry, "re-drive").code == "not-open"


@pytest.mark.parametrize("body, status", [(b"", 400), ({}, 400), ({"reason": ""}, 400), ({"reason": 1}, 400),
                                          ({"reason": "x" * 1001}, 400), ({"reason": "r", "evil": 1}, 400)])
def test_discard_needs_a_reason_and_nothing_else(project, entry, body, status):
    assert act(project, entry, "discard", body).status == status
    assert project.entry(entry["id"])["state"] == "open"


def test_discarded_twice_is_409(project, entry):
    act(project, entry, "discard", {"reason": "r"})
    assert act(project, entry, "discard", {"reason": "r"}).status == 409


def test_restored(project, entry):
    act(project, entry, "discard", {"reason": "r"})
    got = act(project, entry, "restore")
    assert got.status == 200 and got.json()["state"] == "open"
    assert [row["id"] for row in project.entries()] == [entry["id"]]


def test_restoring_what_is_open_is_409(project, entry):
    assert act(project, entry, "restore").status == 409


def test_discarding_what_is_replaying_is_409(project, held):
    act(project, held, "re-drive")
    assert act(project, held, "discard", {"reason": "r"}).status == 409


def test_many_deciding_at_once_agree(project, entry):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: act(project, entry, "discard", {"reason": f"r{n}"}), range(20)))
    assert sorted(a.status for a in answers) == [200] + [409] * 19


def test_decisions_are_audited_with_the_reason(project, entry):
    act(project, entry, "discard", {"reason": "because"})
    act(project, entry, "restore")
    rows = project.get("/v1/audit", query={"object": entry["id"]}).json()["data"]
    assert [r["action"] for r in rows] == ["dlq.restore", "dlq.discard"]
    assert rows[1]["detail"]["reason"] == "because"


def test_totals_follow_every_decision(project, peer):
    def totals():
        return {state: project.get(f"/v1/dlq?state={state}&count=exact").json()["total"]
                for state in ("open", "replaying", "discarded", "resolved", "refailed")}
    one, two, three = (project.dead_letter(peer) for _ in range(3))
    act(project, one, "discard", {"reason": "r"})
    project.post(f"/v1/webhooks/{two['webhookId']}/pause")
    act(project, two, "re-drive")
    assert totals() == {"open": 1, "replaying": 1, "discarded": 1, "resolved": 0, "refailed": 0}
    act(project, one, "restore")
    act(project, three, "re-drive")
    eventually(lambda: totals() == {"open": 2, "replaying": 1, "discarded": 0, "resolved": 0, "refailed": 1})


# --- past its retention -----------------------------------------------------------------------------------------------


def test_expired_entry_is_410_and_cannot_be_decided(stack, peer, clock):
    project = stack.project(plan="free")
    entry = project.dead_letter(peer)
    clock("25 hours")
    assert project.entries(state="all") == []
    got = project.get(f"/v1/dlq/{entry['id']}")
    if got.status == 404:  # its drawer is gone by now
        return
    assert got.status == 410 and got.code == "expired"
    assert act(project, entry, "re-drive").status in (404, 409)
    assert act(project, entry, "discard", {"reason": "r"}).status in (404, 410)
