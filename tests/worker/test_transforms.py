"""Trying a transform, pinging a webhook, and the processes that run a tenant's program."""

import json
import os
import pathlib
import signal

import pytest

from harness.client import Client
from harness.process import children
from harness.stack import is_nursery
from harness.statement import all_statements
from harness.wait import eventually

STACK = {"senders": 2}


@pytest.fixture
def hook(stack, project, peer):
    eventually(lambda: stack.value("SELECT count(*) FROM senders WHERE stats -> 'transforms' = 'true'") == 2, 30)
    return project.webhook(peer.url(peer.path()))


def path_of(answer):
    assert answer.headers["location"].startswith("http://dlo.test/v1/"), answer.headers
    return answer.headers["location"].removeprefix("http://dlo.test")


def start(project, hook, transform, payload):
    body = b'{"transform":' + json.dumps(transform).encode() + b',"payload":' + payload + b"}"
    return project.post(f"/v1/webhooks/{hook['id']}/test-transform", body, headers={"Content-Type": "application/json"})


def result(project, made):
    assert made.status == 202, made
    return eventually(lambda: (got := project.get(path_of(made)).json())["status"] == "done" and got)


def shape(project, hook, transform, payload):
    return result(project, start(project, hook, transform, payload))


def test_a_trial_shows_the_bytes_that_would_leave(project, hook):
    got = shape(project, hook, '{id, total: (.n * 2), name: "ü"}', b'{"id": "a", "n": 1.50}')
    assert got["output"] == '{"id":"a","total":3,"name":"ü"}'
    assert got["errorCode"] is None and got["error"] is None and got["elapsedMs"] > 0


def test_a_trial_shows_what_is_wrong_with_a_program(project, hook):
    got = shape(project, hook, ".a |", b"{}")
    assert (got["output"], got["errorCode"]) == (None, "transform_invalid")
    assert "syntax error" in got["error"] and "line 1" in got["error"]


def niceness(stack):
    """Of the sandboxes of this stack that live."""
    return [os.getpriority(os.PRIO_PROCESS, pid) for pid in sandboxes_of(stack)[1]]


def test_a_program_that_takes_long_stands_back_and_its_sandbox_serves_no_other(stack, project, hook):
    eventually(lambda: len(niceness(stack)) == 4 and 19 not in niceness(stack))
    made = start(project, hook, "[range(3000000)] | length", b"{}")
    eventually(lambda: 19 in niceness(stack))
    assert result(project, made)["errorCode"] in ("transform_timeout", None)
    eventually(lambda: len(niceness(stack)) == 4 and 19 not in niceness(stack))


@pytest.mark.parametrize("transform, payload, code", [
    ("def f: f; f", b"{}", "transform_timeout"),
    ("$ENV", b"{}", "transform_invalid"),
    ("input", b"{}", "transform_error"),
    (".", b'{"n": 12345678901234567890}', "number_altered"),
    ('reduce range(60) as $i ("x"; . + .) | length', b"{}", "transform_memory transform_timeout"),  # on a busy machine its time ends first
])
def test_a_program_that_fails_is_told_so(project, hook, transform, payload, code):
    assert shape(project, hook, transform, payload)["errorCode"] in code.split()


def test_without_a_program_the_webhooks_own_is_tried(stack, project, hook):
    made = project.post(f"/v1/webhooks/{hook['id']}/test-transform", {"payload": 1})
    assert (made.status, made.code) == (422, "no-transform")
    stack.sql("UPDATE webhooks SET transform = '[.]' WHERE project_id = %s", [project.number])
    made = project.post(f"/v1/webhooks/{hook['id']}/test-transform", {"payload": 1})
    assert result(project, made)["output"] == "[1]"


def test_six_trials_a_minute(project, hook):
    answers = [start(project, hook, ".", b"1") for _ in range(7)]
    assert [a.status for a in answers] == [202] * 6 + [429]
    assert answers[6].code == "too-many-trials" and 1 <= int(answers[6].headers["retry-after"]) <= 60


@pytest.mark.parametrize("body, status", [
    ({"transform": "."}, 400), ({"transform": 1, "payload": 1}, 400), ({"transform": "", "payload": 1}, 422),
    ({"transform": ".\x00", "payload": 1}, 422), ({"payload": 1, "more": 1}, 400), ({"payload": "x" * 300000}, 413),
])
def test_malformed_trials_are_refused(project, hook, body, status):
    assert project.post(f"/v1/webhooks/{hook['id']}/test-transform", body).status == status


def test_trials_of_others_are_unknown(stack, project, hook):
    made = start(project, hook, ".", b"1")
    other = stack.project()
    assert other.get(path_of(made)).status == 404
    assert start(other, hook, ".", b"1").status == 404
    reader = project.limited("webhooks:read")
    assert reader.get(path_of(made)).status == 403
    assert start(reader, hook, ".", b"1").status == 403


def test_trials_are_cut_after_an_hour(stack, project, hook):
    made = start(project, hook, ".", b"1")
    result(project, made)
    stack.sql("UPDATE trials SET created_at = created_at - interval '61 minutes' WHERE project_id = %s", [project.number])
    stack.sql(next(s.text for s in all_statements("worker") if s.name == "cut_kept"))
    assert project.get(path_of(made)).status == 404


def sandboxes_of(stack):
    nurseries = [pid for pid in children(stack.processes["worker"].pid) if is_nursery(pid)]
    return nurseries, [pid for nursery in nurseries for pid in children(nursery)]


def status_of(pid, name):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].split() for line in lines if line.startswith(f"{name}:"))


def test_a_sandbox_is_behind_its_wall(stack, hook):
    nurseries, sandboxes = eventually(lambda: len((both := sandboxes_of(stack))[1]) == 4 and both)
    assert len(nurseries) == 2
    for pid in sandboxes:
        assert status_of(pid, "Seccomp") == ["2"] and status_of(pid, "NoNewPrivs") == ["1"]
        assert status_of(pid, "Uid")[0] != "0" or os.geteuid() != 0
    for pid in nurseries + sandboxes:
        assert pathlib.Path(f"/proc/{pid}/environ").read_bytes() == b""


def test_a_killed_nursery_is_replaced(stack, project, hook):
    nurseries, before = eventually(lambda: len((both := sandboxes_of(stack))[1]) == 4 and both)
    for pid in nurseries:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in before))
    assert shape(project, hook, ".", b"[7]")["output"] == "[7]"


def test_sandboxes_end_with_their_worker(make_stack):
    stack = make_stack(senders=1)
    nurseries, sandboxes = eventually(lambda: len((both := sandboxes_of(stack))[1]) == 2 and both)
    stack.stop_process("worker", signal.SIGKILL)
    eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in nurseries + sandboxes))


def test_without_a_sandbox_trials_are_refused(make_stack, peer):
    stack = make_stack(senders=1, worker=False)
    project = stack.project()
    made = start(project, project.webhook(peer.url(peer.path())), ".", b"1")
    assert (made.status, made.code) == (422, "transforms-unavailable")


# --- ping ---


def test_a_ping_reaches_exactly_its_webhook(project, peer):
    path, other = peer.path(), peer.path()
    hook = project.webhook(peer.url(path), eventTypes=["nothing.at.all"])
    project.webhook(peer.url(other))
    made = project.post(f"/v1/webhooks/{hook['id']}/ping")
    assert made.status == 202, made
    request = peer.wait(path)[0]
    assert request.headers["webhook-id"] == made.json()["eventId"]
    assert request.headers["dlo-event-type"] == "webhook.ping"
    body = json.loads(request.body)
    assert body["type"] == "webhook.ping" and body["data"] == {"webhookId": hook["id"]}
    eventually(lambda: project.get(path_of(made)).json()["status"] == "delivered")
    assert project.deliveries(eventId=made.json()["eventId"])[0]["webhookId"] == hook["id"]
    assert len(project.deliveries(eventId=made.json()["eventId"])) == 1


def test_six_pings_a_minute(project, peer):
    hook = project.webhook(peer.url(peer.path()))
    answers = [project.post(f"/v1/webhooks/{hook['id']}/ping") for _ in range(7)]
    assert [a.status for a in answers] == [202] * 6 + [429]
    assert answers[6].code == "too-many-pings" and 1 <= int(answers[6].headers["retry-after"]) <= 60


def test_pings_need_the_scope_the_webhook_and_nothing_else(stack, project, peer):
    hook = project.webhook(peer.url(peer.path()))
    assert project.limited("webhooks:read").post(f"/v1/webhooks/{hook['id']}/ping").status == 403
    assert stack.project().post(f"/v1/webhooks/{hook['id']}/ping").status == 404
    assert project.post(f"/v1/webhooks/{hook['id']}/ping", {"a": 1}).status == 400
    assert Client(stack.port).post(f"/v1/webhooks/{hook['id']}/ping").status == 401
