"""Transforms and gates of a webhook on the way of real deliveries: shaped once, before the first attempt."""

import json

import pytest

from harness.wait import eventually

STACK = {"senders": 1}


@pytest.fixture(autouse=True)
def sandboxes(stack):
    eventually(lambda: stack.value("SELECT count(*) FROM senders WHERE stats -> 'transforms' = 'true'") == 1, 30)


def send(project, payload, event_type="order.paid"):
    body = b'{"eventType":"' + event_type.encode() + b'","payload":' + payload + b"}"
    got = project.post("/v1/events", body, headers={"Content-Type": "application/json"})
    assert got.status == 202, got
    return got.json()["eventId"]


def delivered(peer, path, n=1):
    return eventually(lambda: len(got := peer.requests(path)) >= n and got)


def test_the_receiver_gets_what_the_transform_made(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), transform='{id: .order.id, big: (.order.total > 100)}')
    send(project, b'{"order": {"id": "o1", "total": 250.50}}')
    assert delivered(peer, path)[0].body == b'{"id":"o1","big":true}'


def test_without_gates_the_bytes_stay_as_they_came(project, peer):
    path = peer.path()
    project.webhook(peer.url(path))
    send(project, b'{"n":1.10, "big":12345678901234567890}')
    assert delivered(peer, path)[0].body == b'{"n":1.10, "big":12345678901234567890}'


def test_it_is_shaped_once_and_a_retry_sends_the_same_bytes(project, peer):
    """The transform counts in `now`: a second run would make other bytes. It is also changed meanwhile."""
    path = peer.path("/flaky/1")
    hook = project.webhook(peer.url(path), transform="{at: now, v: 1}", retrySchedule=[2])
    send(project, b"{}")
    eventually(lambda: project.rows("later") == 1)
    project.patch(f"/v1/webhooks/{hook['id']}", {"transform": "{v: 2}"}, headers={"If-Match": "*"})
    first, second = (r.body for r in delivered(peer, path, 2))
    assert first == second and json.loads(first)["v"] == 1
    assert project.stack.value("SELECT count(*) FROM attempts WHERE project_id = %s AND dispatched IS NOT NULL",
                               [project.number]) == 1


def test_a_large_result_is_kept_for_the_retry_too(project, peer):
    path = peer.path("/flaky/1")
    project.webhook(peer.url(path), transform="[range(3000)]", retrySchedule=[1])
    send(project, b"{}")
    first, second = (r.body for r in delivered(peer, path, 2))
    assert first == second and len(first) > 10000


@pytest.mark.parametrize("transform, payload, code", [
    (".a |", b"{}", "transform_invalid"),
    ("def f: f; f", b"{}", "transform_timeout"),
    ("$ENV", b"{}", "transform_invalid"),
    ('import "a" as a; .', b"{}", "transform_invalid"),
    ("input", b"{}", "transform_error"),
    ("[limit(100000000; repeat(1))]", b"{}", None),
    ("def f: [f]; f", b"{}", None),
    ('"x" * 10000000', b"{}", None),
    (".", b'{"n": 12345678901234567890}', "number_altered"),
], ids=["syntax", "loop", "env", "import", "input", "memory", "recursion", "ten MB", "number"])
def test_what_goes_wrong_is_transform_failed(project, peer, transform, payload, code):
    path = peer.path()
    project.webhook(peer.url(path), transform=transform)
    send(project, payload)
    entry = project.wait_entry()
    assert entry["failureReason"] == "transform_failed" and entry["classification"] == "permanent"
    assert entry["attemptCount"] == 0 and entry["lastError"]
    attempt = project.entry(entry["id"])["terminalAttempt"]
    assert code is None or attempt["errorCode"] == code
    assert peer.requests(path) == []


def test_a_schema_judges_what_was_made(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), transform="{id}",
                    payloadSchema={"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]})
    send(project, b'{"id": 7, "extra": 1}')
    assert delivered(peer, path)[0].body == b'{"id":7}'
    send(project, b'{"id": "seven"}')
    entry = project.wait_entry()
    assert entry["failureReason"] == "payload_rejected" and "/id" in entry["lastError"]


def test_a_schema_alone_leaves_the_bytes_as_they_came(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), payloadSchema={"type": "object"})
    send(project, b'{"n":1.10,  "a":  1}')
    assert delivered(peer, path)[0].body == b'{"n":1.10,  "a":  1}'


def test_a_costly_schema_is_refused(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), payloadSchema={"pattern": "^(a+)+$"})
    send(project, b'"' + b"a" * 200000 + b'!"')
    assert project.wait_entry()["failureReason"] == "payload_rejected"
    assert peer.requests(path) == []


def test_the_size_gate_judges_what_is_sent(project, peer):
    small, large = peer.path(), peer.path()
    project.webhook(peer.url(small), maxPayloadBytes=20, transform="{a}")
    project.webhook(peer.url(large), maxPayloadBytes=20)
    send(project, b'{"a": 1, "b": "' + b"x" * 100 + b'"}')
    assert delivered(peer, small)[0].body == b'{"a":1}'
    entry = project.wait_entry()
    assert entry["failureReason"] == "payload_too_large" and "at most 20" in entry["lastError"]
    assert peer.requests(large) == []


def test_a_mended_transform_delivers_on_redrive(project, peer):
    path = peer.path()
    hook = project.webhook(peer.url(path), transform="error(\"no\")")
    send(project, b'{"id": 3}')
    entry = project.wait_entry()
    assert project.patch(f"/v1/webhooks/{hook['id']}", {"transform": "{id}"}, headers={"If-Match": "*"}).status == 200
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive", b"").status == 202
    assert delivered(peer, path)[0].body == b'{"id":3}'


def test_a_redrive_sends_the_snapshot(project, peer):
    """What was sent and refused is sent again, although the transform is another one by now."""
    path = peer.path("/down-until-told/snap")
    hook = project.webhook(peer.url(path), transform="{v: 1, at: now}", maxAttempts=1)
    send(project, b"{}")
    entry = project.wait_entry()
    sent = peer.requests(path)[0].body
    project.patch(f"/v1/webhooks/{hook['id']}", {"transform": "{v: 2}"}, headers={"If-Match": "*"})
    peer.control("up", "POST", name="snap")
    artifacts = project.entry(entry["id"])["artifacts"]
    assert artifacts["dispatch"]["available"] and artifacts["dispatch"]["bytes"] == len(sent)
    assert artifacts["source"]["bytes"] == 2
    project.post(f"/v1/dlq/{entry['id']}/re-drive", b"")
    assert delivered(peer, path, 2)[1].body == sent


def test_a_redrive_can_ask_for_todays_transform(project, peer):
    path = peer.path("/down-until-told/today")
    hook = project.webhook(peer.url(path), transform="{v: 1}", maxAttempts=1)
    send(project, b"{}")
    entry = project.wait_entry()
    project.patch(f"/v1/webhooks/{hook['id']}", {"transform": "{v: 2}"}, headers={"If-Match": "*"})
    peer.control("up", "POST", name="today")
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive", {"mode": "current"}).status == 202
    assert delivered(peer, path, 2)[1].body == b'{"v":2}'


def test_one_projects_program_does_not_hold_up_another(stack, peer):
    """A tenant whose programs never end, and a neighbour whose do."""
    bad, good = stack.project(), stack.project()
    path = peer.path()
    bad.webhook(peer.url(peer.path(record=False)), transform="def f: f; f")
    good.webhook(peer.url(path), transform="{id}")
    bad.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(40)]})
    for n in range(20):
        send(good, b'{"id": %d}' % n)
    assert len(delivered(peer, path, 20)) == 20
    assert bad.rows("ready") > 0  # they were still at it


def test_failures_of_a_transform_leave_the_circuit_closed(project, peer):
    path = peer.path()
    hook = project.webhook(peer.url(path), transform='if .bad then error("no") else . end')
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": {"bad": True}} for _ in range(40)]})
    project.wait_entry(n=40)
    assert project.get(f"/v1/webhooks/{hook['id']}/health").json()["circuit"]["state"] == "closed"
    send(project, b"{}")
    delivered(peer, path)


def test_shaping_takes_nothing_of_the_rate(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), transform="{id}", ratePerSecond=0.01)
    send(project, b'{"id": 1}')
    delivered(peer, path)  # the first is free; had its shaping been counted, the request would be due in 100 s
