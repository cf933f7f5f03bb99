"""A project's own rules: no header and no value that they name is ever written, whatever a receiver makes of it."""

import http.server
import json
import threading
import urllib.parse

import pytest

from harness.wait import eventually

RULES = {"headers": ["X-Customer-Token", "webhook-signature"],
         "jsonPaths": ["$.card.number", "$.items[*].secret", "$..password"]}
SECRET = "s3cret-4111"
BODY = {"error": {"message": "card refused"}, "card": {"number": SECRET, "brand": "visa"},
        "items": [{"secret": SECRET, "id": 1}, {"secret": [SECRET], "id": 2}], "deep": [{"password": {"x": SECRET}}]}


class Receiver(http.server.ThreadingHTTPServer):
    """Answers ?status= with the body of its `answers`, under the path's name, and a header that holds a secret."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name, body, status=400, kind="application/json"):
        self.answers[f"/{name}"] = (status, kind, body if isinstance(body, bytes) else json.dumps(body).encode())
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        status, kind, body = self.server.answers[urllib.parse.urlsplit(self.path).path]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("X-Customer-Token", SECRET)
        self.send_header("X-Shown", "yes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def receiver():
    one = Receiver()
    yield one
    one.shutdown()
    one.server_close()


def redact(project, headers=(), jsonPaths=()):
    got = project.stack.operator.put(f"/v1/projects/{project.id}/redaction",
                                     {"headers": list(headers), "jsonPaths": list(jsonPaths)}, headers={"If-Match": "*"})
    assert got.status == 200, got


def everything_written(project):
    """All rows in which an answer could be, as text. Bytes as latin-1, so that nothing hides in hex."""
    found = []
    for table in ("attempts", "dead_letters", "dead_letter_bodies", "notices", "group_deltas", "dlq_groups"):
        for row in project.stack.sql(f"SELECT * FROM {table} WHERE project_id = %s", [project.number]):
            found += [bytes(v).decode("latin-1") if isinstance(v, (bytes, memoryview)) else str(v) for v in row]
    return "\n".join(found)


def refused(project, url, **event):
    hook = project.webhook(url)
    project.event(**event)
    return hook, project.wait_entry(webhookId=hook["id"])


def test_what_a_receiver_echoes_is_nowhere(project, receiver):
    redact(project, **RULES)
    hook, entry = refused(project, receiver.url("echo", BODY))
    attempt = entry["attempts"][0]
    assert attempt["response"]["headers"]["x-customer-token"] == "[redacted]"
    assert attempt["response"]["headers"]["x-shown"] == "yes"
    assert attempt["request"]["headers"]["webhook-signature"] == "[redacted]"
    assert attempt["request"]["headers"]["webhook-id"] == entry["eventId"]
    shown = json.loads(attempt["response"]["body"])
    assert shown == {"error": {"message": "card refused"}, "card": {"number": "[redacted]", "brand": "visa"},
                     "items": [{"secret": "[redacted]", "id": 1}, {"secret": "[redacted]", "id": 2}],
                     "deep": [{"password": "[redacted]"}]}
    for path in (f"/v1/dlq/{entry['id']}", f"/v1/dlq/{entry['id']}/attempts/1", f"/v1/deliveries/{entry['deliveryId']}",
                 "/v1/dlq/groups", "/v1/dlq/export", "/dlq"):
        got = project.get(path)
        assert got.status == 200 and SECRET.encode() not in got.body, path
    assert SECRET not in everything_written(project)


def test_without_rules_everything_is_shown(project, receiver):
    _, entry = refused(project, receiver.url("open", BODY))
    assert json.loads(entry["attempts"][0]["response"]["body"]) == BODY
    assert SECRET in everything_written(project)


def test_rules_are_one_projects_own(stack, project, receiver):
    redact(stack.project(), **RULES)
    _, entry = refused(project, receiver.url("other", BODY))
    assert json.loads(entry["attempts"][0]["response"]["body"]) == BODY


@pytest.mark.parametrize("body", [
    json.dumps({"a": "x" * 70000, "password": SECRET}).encode(),
    json.dumps({"password": SECRET + "x" * 70000}).encode(),
    json.dumps({"password": SECRET}).encode()[:-1],
    json.dumps({"ok": 1, "password": SECRET}).encode()[:-6],
    b"{'password': '" + SECRET.encode() + b"'}",
    b'{"ok": 1}\n{"password": "' + SECRET.encode() + b'"}',
    b'<p>password: ' + SECRET.encode(),
    b'cb({"Password":"' + SECRET.encode() + b'"})',
    b'\xff\xfe' + json.dumps({"password": SECRET}).encode("utf-16-le"),
    b'{"bad": "\xff", "password": "' + SECRET.encode() + b'"}',
], ids=["truncated", "truncated-within", "unfinished", "cut", "quotes", "lines", "html", "script", "utf-16", "utf-8"])
def test_a_body_that_is_no_json_does_not_leak(project, receiver, body):
    redact(project, headers=["x-customer-token"], jsonPaths=["$..password"])
    _, entry = refused(project, receiver.url("odd", body))
    written = everything_written(project)
    assert SECRET not in written and "\0".join(SECRET) not in written
    assert "[redacted]" in str(entry["attempts"][0]["response"]) or entry["attempts"][0]["response"]["truncated"]


def test_an_error_page_that_names_nothing_is_kept(project, receiver):
    redact(project, **RULES)
    page = b"<html><head><title>502 Bad Gateway</title></head></html>"
    hook = project.webhook(receiver.url("page", page, status=502, kind="text/html"), maxAttempts=1)
    project.event()
    entry = project.wait_entry(webhookId=hook["id"])
    assert entry["attempts"][0]["response"]["body"] == page.decode()


def test_a_success_is_hidden_before_it_is_cut(project, receiver):
    """Of a success 1 KiB is kept: whether it is JSON is seen before that."""
    redact(project, headers=["x-customer-token"], jsonPaths=["$..password"])
    project.webhook(receiver.url("fine", {"password": SECRET, "rest": "x" * 5000}, status=200))
    project.event()
    delivery = project.wait_delivery(status="delivered")
    assert delivery["attempts"][0]["response"]["body"].startswith('{"password": "[redacted]", "rest": "xxx')
    assert SECRET not in everything_written(project)


def test_payload_is_what_it_was(project, receiver):
    """It is what a re-drive sends: who may read payloads reads all of it."""
    redact(project, **RULES)
    payload = {"card": {"number": SECRET}}
    _, entry = refused(project, receiver.url("plain", {"ok": False}), payload=payload)
    assert json.loads(entry["originalMessage"]["payload"]) == payload
    assert project.get(f"/v1/dlq/{entry['id']}/payload").json() == payload


def test_what_a_transform_says_of_hidden_values_is_not_told(project, receiver):
    redact(project, jsonPaths=["$.card.number"])
    url = receiver.url("never", {})
    hook = project.webhook(url, transform='error("no: " + (.card.number // "nothing"))')
    project.event(payload={"card": {"number": SECRET}})
    entry = project.wait_entry(webhookId=hook["id"], timeout=30)
    assert entry["failureReason"] == "transform_failed" and "[redacted]" in entry["lastError"]
    project.event(payload={"card": {}})
    told = project.wait_entry(n=2, webhookId=hook["id"], timeout=30)
    assert "no: nothing" in told["lastError"]
    written = project.stack.sql("SELECT error FROM attempts WHERE project_id = %s", [project.number])
    assert len(written) == 2 and SECRET not in str(written)


def test_rules_are_heard_while_the_worker_runs(project, receiver):
    hook, before = refused(project, receiver.url("later", BODY))
    assert before["attempts"][0]["response"]["headers"]["x-customer-token"] == SECRET
    version = project.get(f"/v1/webhooks/{hook['id']}").json()["version"]
    redact(project, **RULES)

    def hidden():
        made = project.event()
        one = eventually(lambda: project.entries(eventId=made["eventId"]))[0]
        return SECRET not in str(project.entry(one["id"])["attempts"])

    eventually(hidden)
    assert project.entry(before["id"])["attempts"] == before["attempts"], "what was written stays"
    assert project.get(f"/v1/webhooks/{hook['id']}").json()["version"] == version, "If-Match of its owner still holds"
    redact(project)
    eventually(lambda: not hidden())


def test_rules_that_cannot_be_read_hide_everything(project, receiver):
    """They cannot be written by anybody but a hand in the database; then nothing is shown rather than too much."""
    project.stack.sql("""UPDATE projects SET redaction = '{"headers": [], "jsonPaths": ["oops"]}' WHERE id = %s""",
                      [project.number])
    _, entry = refused(project, receiver.url("all", BODY))
    response = entry["attempts"][0]["response"]
    assert response["body"] == "[redacted]" and not response["headers"]
    assert SECRET not in everything_written(project)
