"""Edit-and-re-drive: a dead letter delivered with another payload, as a new event that only its webhook gets."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.wait import eventually

STACK = {"desk": 4}
ANY = {"If-Match": "*"}


def allow(project, on=True):
    got = project.stack.operator.patch(f"/v1/projects/{project.id}", {"editRedrive": on}, headers=ANY)
    assert got.status == 200 and got.json()["editRedrive"] is on, got


def edit(project, entry, payload=b'{"fixed":1.10}', reason="typo", **kw):
    body = b'{"payload":' + payload + b',"reason":' + json.dumps(reason).encode() + b"}"
    headers = {"Content-Type": "application/json", **kw.pop("headers", {})}
    return project.post(f"/v1/dlq/{entry['id']}/edit-re-drive", body, headers=headers, **kw)


def ends(project, entry, state):
    return eventually(lambda: (e := project.entry(entry["id"])) and e["state"] == state and e)


@pytest.fixture
def project(stack):
    one = stack.project()
    allow(one)
    return one


@pytest.fixture
def held(project, peer):
    """An entry whose webhook is paused: what is made of it stays pending."""
    entry = project.dead_letter(peer, payload={"wrong": 1}, channel="orders", customerExternalId="c1", externalId="x1",
                                metadata={"k": "v"}, routingKey="eu", occurredAt="2026-11-22T10:00:00.000Z")
    project.post(f"/v1/webhooks/{entry['webhookId']}/pause")
    return entry


@pytest.fixture
def sent(project, peer):
    """A webhook that refuses, and its entry."""
    hook = project.webhook(peer.url(peer.path("/status/400")))
    project.event(payload={"wrong": 1})
    return hook, project.wait_entry()


# --- allowed ----------------------------------------------------------------------------------------------------------


def test_it_is_off_until_the_operator_allows_it(stack, peer):
    project = stack.project()
    entry = project.dead_letter(peer)
    got = edit(project, entry)
    assert got.status == 403 and got.json()["requiredCapability"] == "editRedrive"
    assert project.get("/v1/plan").json()["capabilities"]["editRedrive"] is False
    allow(project)
    assert project.get("/v1/plan").json()["capabilities"]["editRedrive"] is True
    assert edit(project, entry).status == 202
    allow(project, False)
    assert edit(project, entry).status == 403


def test_scope_comes_before_everything(project, held):
    limited = project.limited("dlq:read,dlq:replay,dlq:replay.bulk,dlq:payload")
    got = edit(limited, held)
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:edit"
    assert edit(project.limited("dlq:edit"), held).status == 202


def test_other_tenants_entry_is_unknown(stack, project, held):
    stranger = stack.project()
    allow(stranger)
    assert edit(stranger, held).status == 404
    assert edit(stranger, {"id": "dlq_7zzzzzzzzzzzzzzzzzzzzzzzzz"}).status == 404
    assert project.entry(held["id"])["state"] == "open"


def test_project_itself_cannot_allow_it(project):
    assert project.patch(f"/v1/projects/{project.id}", {"editRedrive": True}, headers=ANY).status == 403


def test_setting_keeps_to_versions_and_is_audited(stack, project):
    path = f"/v1/projects/{project.id}"
    assert stack.operator.patch(path, {"editRedrive": True}).status == 428
    assert stack.operator.patch(path, {"editRedrive": True}, headers={"If-Match": '"1"'}).status == 412
    assert stack.operator.patch(path, {"editRedrive": 1}, headers=ANY).status == 400
    assert stack.operator.patch(path, {"evil": 1}, headers=ANY).status == 400
    assert stack.operator.get(path).json()["editRedrive"] is True
    (row,) = project.get("/v1/audit", query={"action": "project.update"}).json()["data"]
    assert row["detail"] == {"editRedrive": True}


# --- what it makes ----------------------------------------------------------------------------------------------------


def test_it_makes_a_new_event_linked_to_the_entry(project, held):
    got = edit(project, held)
    assert got.status == 202
    made = got.json()
    assert made["replayOf"] == held["id"] and made["eventId"] != held["eventId"]
    event = project.get(f"/v1/events/{made['eventId']}").json()
    assert event["payload"] == '{"fixed":1.10}' and event["editedFrom"] == {"entryId": held["id"], "eventId": held["eventId"]}
    source = project.get(f"/v1/events/{held['eventId']}").json()
    for name in ("eventType", "channel", "customerExternalId", "externalId", "routingKey", "metadata", "occurredAt"):
        assert event[name] == source[name] is not None, name
    assert source["editedFrom"] is None and source["payload"] == '{"wrong": 1}'


def test_delivery_and_entry_say_it(project, held):
    made = edit(project, held).json()
    delivery = project.delivery(made["deliveryId"])
    assert delivery["replayOf"] == held["id"] and delivery["eventId"] == made["eventId"] and delivery["status"] == "pending"
    assert delivery["editedFrom"] == {"entryId": held["id"], "eventId": held["eventId"]} and delivery["target"] == "current"
    assert [d["replayOf"] for d in project.deliveries(eventId=made["eventId"])] == [held["id"]]
    entry = project.entry(held["id"])
    assert entry["state"] == "replaying" and entry["replayedAs"] == made["deliveryId"] and entry["editedFrom"] is None
    assert entry["originalMessage"] == held["originalMessage"]


def test_only_the_entrys_webhook_gets_it(project, peer, held):
    everybody = peer.path()
    project.webhook(peer.url(everybody))
    edit(project, held)
    assert project.rows("ready") == 1 and peer.count(everybody) == 0


def test_it_arrives_byte_for_byte_and_the_entry_is_resolved(project, peer, sent):
    hook, entry = sent
    path = peer.path()
    project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(path)}, headers=ANY)
    payload = '{"a":1.10, "b":12345678901234567890,"c":"\\u0000ü"}'.encode()
    made = edit(project, entry, payload).json()
    (arrived,) = peer.wait(path)
    assert arrived.body == payload and arrived.headers["webhook-id"] == made["eventId"]
    assert arrived.headers["x-replayed-from"] == entry["id"] and arrived.headers["x-replay-generation"] == "1"
    assert ends(project, entry, "resolved")["replayedAs"] == made["deliveryId"]
    assert project.delivery(made["deliveryId"])["replayOf"] == entry["id"]
    assert project.rows("redrives") == 0


def test_one_that_fails_is_an_entry_of_the_next_generation(project, sent):
    _, entry = sent
    made = edit(project, entry).json()
    ends(project, entry, "refailed")
    again = project.entry(project.entries()[0]["id"])
    assert again["generation"] == 1 and again["eventId"] == made["eventId"] and again["deliveryId"] == made["deliveryId"]
    assert again["originalMessage"]["payload"] == '{"fixed":1.10}'
    assert again["editedFrom"] == {"entryId": entry["id"], "eventId": entry["eventId"]}
    assert project.get("/v1/dlq?state=refailed&count=exact").json()["total"] == 1
    assert edit(project, again).status == 202


def test_status_in_the_end_is_that_of_its_entry_also_from_another_day(project, peer, sent, clock):
    hook, entry = sent
    clock("2 days")
    edit(project, entry)
    ends(project, entry, "refailed")
    again = project.entries()[0]
    assert project.delivery(entry["deliveryId"])["effectiveStatus"] == "failed"
    project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(peer.path())}, headers=ANY)
    project.post(f"/v1/dlq/{again['id']}/re-drive")
    ends(project, again, "resolved")
    assert project.delivery(entry["deliveryId"])["effectiveStatus"] == "delivered"


def test_retries_are_its_own(project, peer, held):
    path = peer.path("/flaky/1")
    project.patch(f"/v1/webhooks/{held['webhookId']}", {"url": peer.url(path), "maxAttempts": 2, "retrySchedule": [1]}, headers=ANY)
    project.post(f"/v1/webhooks/{held['webhookId']}/resume")
    made = edit(project, held).json()
    ends(project, held, "resolved")
    assert [a["n"] for a in project.delivery(made["deliveryId"])["attempts"]] == [1, 2]
    assert [r.headers["x-replayed-from"] for r in peer.requests(path)] == [held["id"]] * 2


def test_cancelled_one_opens_the_entry_again(project, held):
    made = edit(project, held).json()
    assert project.post(f"/v1/deliveries/{made['deliveryId']}/cancel").status == 200
    assert project.entry(held["id"])["state"] == "open" and project.rows("redrives") == 0
    assert project.get("/v1/dlq?count=exact").json()["total"] == 1
    assert edit(project, held).status == 202


def test_held_beyond_its_budget_is_an_entry_too(project, held):
    edit(project, held)
    project.stack.sql("UPDATE ready SET ready_at = ready_at - interval '30 days' WHERE project_id = %s", [project.number])
    ends(project, held, "refailed")
    assert project.entries()[0]["failureReason"] == "endpoint_disabled"


def test_large_payload_is_sent_whole(project, peer, held):
    path = peer.path()
    project.patch(f"/v1/webhooks/{held['webhookId']}", {"url": peer.url(path)}, headers=ANY)
    project.post(f"/v1/webhooks/{held['webhookId']}/resume")
    payload = b'"' + b"y" * (256 * 1024 - 2) + b'"'
    assert edit(project, held, payload).status == 202
    assert peer.wait(path)[0].body == payload


# --- at most one ------------------------------------------------------------------------------------------------------


def test_fifty_at_once_make_one(project, held):
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: edit(project, held, str(n).encode()), range(50)))
    assert sorted(a.status for a in answers) == [202] + [409] * 49
    assert {a.code for a in answers if a.status == 409} == {"already-replaying"}
    assert len({a.json()["deliveryId"] for a in answers}) == 1
    assert project.rows("redrives") == project.rows("ready") == project.rows("edits") == 1 and project.rows("events") == 2


def test_redrive_meanwhile_answers_the_pending_one(project, held):
    made = edit(project, held).json()
    got = project.post(f"/v1/dlq/{held['id']}/re-drive")
    assert got.status == 200 and got.json()["deliveryId"] == made["deliveryId"]


def test_idempotency_key_answers_the_same(project, held):
    headers = {"Idempotency-Key": "e-1"}
    first, second = edit(project, held, headers=headers), edit(project, held, headers=headers)
    assert second.status == 202 and second.json() == first.json() and second.headers["idempotency-replayed"] == "true"
    assert edit(project, held, b"2", headers=headers).status == 422


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body, status, code", [
    (b'{"payload":1}', 400, "missing-field"), (b'{"reason":"r"}', 400, "missing-field"), (b"{}", 400, "missing-field"),
    (b'{"payload":1,"reason":""}', 400, "out-of-range"), (b'{"payload":1,"reason":null}', 400, "missing-field"),
    (b'{"payload":1,"reason":7}', 400, "wrong-type"), (b'{"payload":1,"reason":"r","evil":1}', 400, "unknown-field"),
    (b'{"payload":1,"payload":2,"reason":"r"}', 400, "duplicate-field"), (b'{"payload":01,"reason":"r"}', 400, "malformed-json"),
    (b'{"payload":"\xff","reason":"r"}', 400, "malformed-utf8"), (b'"x"', 400, "wrong-type"), (b"", 415, None),
    (b'{"payload":1,"reason":"' + b"r" * 1001 + b'"}', 400, "out-of-range"),
    (b'{"payload":' + b"[" * 513 + b"]" * 513 + b',"reason":"r"}', 400, "too-deep"),
    (b'{"payload":"' + b"x" * 262144 + b'","reason":"r"}', 413, "payload-too-large"),
    (b'{"payload":"' + b"x" * 400000 + b'","reason":"r"}', 413, "body-too-large"),
], ids=lambda value: repr(value)[:40])
def test_bad_body_changes_nothing(project, held, body, status, code):
    headers = {"Content-Type": "application/json"} if body else {}
    got = project.post(f"/v1/dlq/{held['id']}/edit-re-drive", body, headers=headers)
    assert got.status == status and (code is None or got.code == code), got
    assert project.entry(held["id"])["state"] == "open" and project.rows("events") == 1


@pytest.mark.parametrize("payload", [b"null", b"1", b'"x"', b"[]", b"{}", b"true"])
def test_any_json_value_is_a_payload(project, held, payload):
    made = edit(project, held, payload).json()
    assert project.get(f"/v1/events/{made['eventId']}").json()["payload"] == payload.decode()


def test_schema_of_the_type_is_asked(project, peer, held):
    got = project.put(f"/v1/event-types/{held['eventType']}", {"schema": {"type": "object", "required": ["id"]}})
    assert got.status == 201, got
    assert eventually(lambda: (a := edit(project, held, b'{"no":1}')).status != 202 and a).code == "schema"
    assert project.entry(held["id"])["state"] == "open" and project.rows("events") == 1
    assert edit(project, held, b'{"id":1}').status == 202


def test_what_cannot_be_redriven_cannot_be_edited(project, held):
    project.post(f"/v1/dlq/{held['id']}/discard", {"reason": "r"})
    assert edit(project, held).code == "not-open"
    project.post(f"/v1/dlq/{held['id']}/restore")
    project.patch(f"/v1/webhooks/{held['webhookId']}", {"enabled": False}, headers=ANY)
    assert edit(project, held).code == "endpoint-disabled"
    project.delete(f"/v1/webhooks/{held['webhookId']}")
    assert edit(project, held).code == "webhook-deleted"
    project.delete(f"/v1/dlq/{held['id']}")
    assert edit(project, held).status == 410


def test_event_that_no_webhook_took_is_not_edited(project):
    sent = project.event(type="nobody.wants")
    got = edit(project, {"id": sent["eventId"].replace("evt_", "dlq_")})
    assert got.status == 409 and got.code == "system-scope"


# --- the audit --------------------------------------------------------------------------------------------------------


def audited(client, entry):
    (row,) = client.get("/v1/audit", query={"object": entry["id"], "action": "dlq.edit"}).json()["data"]
    return row


def test_audit_has_reason_and_both_payloads(project, held):
    made = edit(project, held, '{"fixed":"ü\\u0000"}'.encode(), reason="because\nof it").json()
    row = audited(project, held)
    assert row["actor"].startswith("key_") and row["detail"]["reason"] == "because\nof it"
    assert row["detail"]["eventId"] == made["eventId"]
    for name, text in (("before", '{"wrong": 1}'), ("after", '{"fixed":"ü\\u0000"}')):
        assert row["detail"][name] == {"payload": text, "bytes": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def test_audit_hides_payloads_without_the_scope(project, held):
    edit(project, held)
    detail = audited(project.limited("audit:read"), held)["detail"]
    assert detail["payloadHidden"] is True and detail["reason"] == "typo"
    assert set(detail["before"]) == set(detail["after"]) == {"bytes", "sha256"}
    assert "fixed" not in json.dumps(detail) and "wrong" not in json.dumps(detail)


def test_page_of_the_audit_is_bounded(project, held):
    """Edits of 256 KiB each: those beyond 4 MiB are told without their bytes."""
    payload = b'"' + b"z" * (256 * 1024 - 2) + b'"'
    for _ in range(17):
        made = edit(project, held, payload).json()
        project.post(f"/v1/deliveries/{made['deliveryId']}/cancel")
    rows = project.get("/v1/audit", query={"action": "dlq.edit"}).json()["data"]
    shown = ["payload" in row["detail"]["after"] for row in rows]
    assert shown == [True] * 15 + [False] * 2 and rows[-1]["detail"]["payloadOmitted"] is True


def erased(client, entry):
    """Of the audit of an edit its payloads are gone, and nothing else is."""
    detail = audited(client, entry)["detail"]
    told = {"bytes", "sha256"}
    if "payload" in json.dumps([detail["before"], detail["after"]]):
        return False
    assert detail["payloadErased"] is True and detail["reason"] == "typo" and set(detail["before"]) == set(detail["after"]) == told
    assert "payloadHidden" not in detail and "payloadOmitted" not in detail
    return True


@pytest.mark.parametrize("many", [False, True], ids=["alone", "bulk"])
def test_purge_erases_what_the_audit_keeps(project, peer, held, many):
    other = project.dead_letter(peer, payload={"other": 1}, hook=None)
    made = [edit(project, e).json() for e in (held, other)]
    for one in made:
        eventually(lambda: project.post(f"/v1/deliveries/{one['deliveryId']}/cancel").status in (200, 409))
    if project.entry(held["id"])["state"] != "open":
        pytest.fail("it is not open")
    assert not erased(project, held)
    if many:
        assert project.post("/v1/dlq/bulk-purge", {"ids": [held["id"]]}, headers={"Idempotency-Key": "p-1"}).status == 202
    else:
        assert project.delete(f"/v1/dlq/{held['id']}").status == 204
    eventually(lambda: erased(project, held))
    assert not erased(project, other)


def test_purge_of_what_it_became_erases_them_too(project, sent):
    _, entry = sent
    edit(project, entry)
    ends(project, entry, "refailed")
    assert not erased(project, entry)
    project.delete(f"/v1/dlq/{project.entries()[0]['id']}")
    assert erased(project, entry) and project.entry(entry["id"])["originalMessage"]["payload"] == '{"wrong": 1}'
