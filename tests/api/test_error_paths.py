"""Every problem code of the responders stands in the document and in a test, and is answered to a real request.

The first part reads sources: codes are the string literals of fcgi/*.c that look like one (a-b-c), and single words where a
code is expected. The second is a table of requests for the codes that no other file asks for.
"""

import json
import pathlib
import re
import threading
import uuid

import pytest

from harness import fastcgi
from harness.client import Client
from harness.openapi import Document
from harness.postgres import SUPERUSER
from harness.process import ROOT
from harness.tls import Authority
from harness.wait import eventually

URL = "https://shop.example.com/hooks"
ANY = {"If-Match": "*"}

# --- codes --------------------------------------------------------------------------------------------------------------

WORD = r'"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)"'
HYPHENATED = re.compile(r'"([a-z][a-z0-9]*(?:-[a-z0-9]+)+)"')
CALLS = re.compile(r"\b(?:response_problem|response_field_problem|response_too_many|list_refuse|bad_parameter|bad_value|refuse|"
                   r"fail|wrong)\(")
# Literals with a hyphen that are no codes.
OTHERS = {
    "created-desc", "id-desc", "item-asc", "seen-desc",  # orders of lists
    "dlo-responder", "dlo-waker",  # names of connections
    "key-race", "start-too-far",  # what statements abort with
    "signed-in",  # a scope of routes
    "transfer-encoding", "user-agent",  # headers
    "utf-8",
}


def arguments(text, at):
    """The arguments of the call whose parenthesis opens before `at`, up to four."""
    found, depth, begin, quoted = [], 0, at, False
    for i in range(at, min(len(text), at + 2000)):
        c = text[i]
        if c == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif c in "([{":
            depth += 1
        elif depth == 0 and c in ",)":
            found.append(text[begin:i])
            begin = i + 1
            if c == ")" or len(found) == 4:
                break
        elif c in ")]}":
            depth -= 1
    return found


def codes_of_source(text):
    found = set(HYPHENATED.findall(text))
    for call in CALLS.finditer(text):
        first = next((words for a in arguments(text, call.end()) if (words := re.findall(WORD, a))), [])
        found.update(first)
    return found


@pytest.fixture(scope="module")
def literals():
    texts = [re.sub(r"^#include.*$", "", f.read_text(), flags=re.M) for f in sorted((ROOT / "fcgi").glob("*.c"))]
    return set().union(*map(codes_of_source, texts))


@pytest.fixture(scope="module")
def in_source(literals):
    return literals - OTHERS


def codes_below(node):
    if isinstance(node, dict):
        code = node.get("code")
        if isinstance(code, dict):
            yield from code.get("enum", [])
        for one in node.values():
            yield from codes_below(one)
    elif isinstance(node, list):
        for one in node:
            yield from codes_below(one)


def test_literals_that_are_no_codes_are_still_there(literals):
    assert OTHERS - literals == set()


def test_every_code_stands_in_the_document_and_no_other(in_source):
    document = Document()
    written = set(codes_below(document.data)) | set(re.findall(r"\d{3} `([a-z-]+)`", document.data["info"]["description"]))
    assert sorted(in_source - written) == [], "not in docs/openapi.yaml"
    of_web_server = {code for code in written if re.fullmatch(r"http-\d{3}", code)}
    assert sorted(written - of_web_server - in_source) == [], "no responder answers it"


def test_every_code_stands_in_a_test(in_source):
    tests = "".join(f.read_text() for f in pathlib.Path(ROOT / "tests").rglob("*.py"))
    assert sorted(code for code in in_source if f'"{code}"' not in tests) == []


# --- who asks -----------------------------------------------------------------------------------------------------------


class Shop:
    def __init__(self, stack, peer, directory):
        self.stack, self.project = stack, stack.project()
        self.entry = self.project.dead_letter(peer)
        self.hook = self.entry["webhookId"]
        self.certificate = Authority(directory, "error-paths").issue("client")[0].decode()
        made = stack.operator.post("/v1/users", {"login": "errors@example.com", "password": "correct horse battery"})
        self.user = made.json()["id"]

    def fill(self, value):
        names = {"{hook}": self.hook, "{entry}": self.entry["id"], "{delivery}": self.entry["deliveryId"],
                 "{project}": self.project.id, "{certificate}": self.certificate, "{nobody}": str(uuid.uuid4())}
        if isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if isinstance(value, str):
            for name, real in names.items():
                value = value.replace(name, real)
        return value


@pytest.fixture(scope="module")
def shop(stack, peer, tmp_path_factory):
    return Shop(stack, peer, tmp_path_factory.mktemp("tls"))


def expect(got, status, code, pointer=None):
    assert got.headers["content-type"] == "application/problem+json", got
    told = got.json()
    assert (got.status, told["code"]) == (status, code), got
    assert told["status"] == status and told["error"] == told["title"] and told["detail"]
    if pointer is not None:
        assert got.pointers() == [pointer], got


def named(rows):
    return pytest.mark.parametrize("row", rows, ids=lambda row: f"{row[-2]}-{row[0]}"[:60] if isinstance(row, tuple) else None)


# --- lists: path, status, code, pointer ---------------------------------------------------------------------------------

READS = [
    ("/v1/dlq?limit=0", 400, "bad-limit", "?limit"),
    ("/v1/dlq?limit=1&limit=2", 400, "repeated-parameter", "?limit"),
    ("/v1/dlq?cursor=abc", 400, "bad-cursor", "?cursor"),
    ("/v1/dlq?from=x", 400, "malformed-time", "?from"),
    ("/v1/dlq?from=1795341600", 400, "time-in-seconds", "?from"),
    ("/v1/dlq?from=-999999d", 400, "time-out-of-range", "?from"),
    ("/v1/dlq?channel=" + ",".join(map(str, range(65))), 400, "too-many-values", "?channel"),
    ("/v1/audit?actor=" + ",".join(map(str, range(65))), 400, "too-many-values", "?actor"),
    ("/v1/dlq?state=", 400, "bad-filter", "?state"),
    ("/v1/dlq?webhookId=,", 400, "bad-filter", "?webhookId"),
    ("/v1/dlq?state=x", 400, "bad-filter", "?state"),
    ("/v1/dlq?webhookId=x", 400, "malformed-id", "?webhookId"),
    ("/v1/dlq?q=text", 400, "window-required", "?q"),
    ("/v1/dlq?q=x&from=-1h", 400, "bad-filter", "?q"),
    ("/v1/dlq?q=text&from=-1h&count=exact", 400, "bad-filter", "?count"),
    ("/v1/dlq?scope=x", 400, "bad-filter", "?scope"),
    ("/v1/dlq?include=x", 422, "not-available", "?include"),
    ("/v1/dlq?nope=1", 400, "unknown-parameter", "?nope"),
    ("/v1/dlq?nope=%zz", 400, "bad-uri", None),
    ("/v1/dlq/{entry}/diff?a=x", 400, "bad-filter", "?a"),
    ("/v1/dlq/{entry}/diff?b=99", 404, "not-found", "?b"),
    ("/v1/dlq/{nobody}", 404, "not-found", None),
    ("/v1/nope", 404, "not-found", None),
    ("/v1/deliveries?status=x", 400, "bad-filter", "?status"),
    ("/v1/events?status=x", 400, "bad-filter", "?status"),
    ("/v1/bulk-operations?kind=x", 400, "bad-filter", "?kind"),
    ("/v1/stats?step=week", 400, "bad-filter", "?step"),
    ("/v1/stats?webhookId=x", 400, "malformed-id", "?webhookId"),
    ("/v1/dlq/export?manifest=x", 400, "bad-filter", "?manifest"),
]


@named(READS)
def test_reads_that_are_refused(shop, row):
    path, status, code, pointer = row
    expect(shop.project.get(shop.fill(path)), status, code, pointer)


# --- events: fields beside eventType and payload, status, code, pointer -------------------------------------------------

EVENTS = [
    ({"eventType": 1}, 400, "wrong-type", "/eventType"),
    ({"eventType": ""}, 400, "empty", "/eventType"),
    ({"eventType": "a b"}, 400, "malformed-name", "/eventType"),
    ({"eventType": "x" * 200}, 400, "too-long", "/eventType"),
    ({"externalId": "a\u0001"}, 400, "control-character", "/externalId"),
    ({"externalId": "\ud800"}, 400, "invalid-text", "/externalId"),
    ({"channel": "$mine"}, 422, "reserved-channel", "/channel"),
    ({"metadata": {str(n): "" for n in range(200)}}, 400, "too-many", "/metadata"),
    ({"metadata": {"a": "x" * 5000}}, 400, "too-long", "/metadata"),
    ({"metadata": {"a": 1}}, 400, "wrong-type", "/metadata"),
    ({"occurredAt": "x"}, 400, "malformed-time", "/occurredAt"),
    ({"occurredAt": 1795341600}, 400, "time-in-seconds", "/occurredAt"),
    ({"occurredAt": 999999999999999}, 400, "time-out-of-range", "/occurredAt"),
    ({"surprise": 1}, 400, "unknown-field", "/surprise"),
    ({"payload": "x" * (256 * 1024)}, 413, "payload-too-large", "/payload"),
    ({"payload": "x" * (300 * 1024)}, 413, "body-too-large", None),
]


@pytest.mark.parametrize("row", EVENTS, ids=lambda row: f"{next(iter(row[0]))}-{row[2]}")
def test_events_that_are_refused(shop, row):
    fields, status, code, pointer = row
    expect(shop.project.post("/v1/events", {"eventType": "a", "payload": 1, **fields}), status, code, pointer)


BODIES = [
    (b"{", "malformed-json"), (b'{"eventType":"\xff","payload":1}', "malformed-utf8"), (b"[1]", "wrong-type"),
    (b'{"payload":1,"payload":2,"eventType":"a"}', "duplicate-field"), (b"[" * 600 + b"]" * 600, "too-deep"),
]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/webhooks", "/v1/event-types/a", "/v1/webhooks/{hook}/test-transform"])
@pytest.mark.parametrize("body, code", BODIES, ids=lambda v: v if isinstance(v, str) else None)
def test_bodies_that_are_refused(shop, path, body, code):
    """The same words wherever a body is read, whichever parser reads it."""
    method = "PUT" if "event-types" in path else "POST"
    got = shop.project.call(method, shop.fill(path), body, headers={"Content-Type": "application/json"})
    expect(got, 400, code if b"[[" not in body else got.code, "")
    assert got.code in (code, "wrong-type")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch", "/v1/webhooks"])
@pytest.mark.parametrize("key", ["a b", '""', "x" * 256])
def test_malformed_idempotency_key(shop, path, key):
    expect(shop.project.post(path, {}, headers={"Idempotency-Key": key}), 400, "bad-idempotency-key", "Idempotency-Key")


def test_batch_of_too_many_events(shop):
    lines = b'{"eventType":"a","payload":1}\n' * 1001
    expect(shop.project.post("/v1/events/batch", lines, headers={"Content-Type": "application/x-ndjson"}), 413, "too-many-events")


def test_body_without_its_type(shop):
    expect(shop.project.post("/v1/events", b"{}"), 415, "unsupported-media-type")


def test_body_that_ends_early(shop):
    """A web server passes on what it has when its client goes away."""
    params = {"REQUEST_METHOD": "POST", "REQUEST_URI": "/v1/webhooks", "CONTENT_TYPE": "application/json",
              "CONTENT_LENGTH": "100", "HTTP_AUTHORIZATION": f"Bearer {shop.project.key}"}
    answer = fastcgi.call(shop.stack.base / "fcgi/desk.sock", params, b'{"url":"https://a.example/"}')
    assert answer.startswith(b"Status: 400 ") and json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "body-cut-short"


# --- webhooks: fields beside url, status, code, pointer -----------------------------------------------------------------

WEBHOOKS = [
    ({"url": None}, 400, "missing-field", "/url"),
    ({"url": "ftp://shop.example.com/"}, 422, "url-refused", "/url"),
    ({"name": "x" * 201}, 422, "too-long", "/name"),
    ({"name": "\u0007"}, 422, "control-character", "/name"),
    ({"timeoutMs": 1}, 422, "out-of-range", "/timeoutMs"),
    ({"channels": ["$mine"]}, 422, "reserved-channel", "/channels/0"),
    ({"eventTypes": ["a", "a b"]}, 422, "invalid-item", "/eventTypes/1"),
    ({"retrySchedule": []}, 422, "too-few-items", "/retrySchedule"),
    ({"retrySchedule": [1] * 21}, 422, "too-many-items", "/retrySchedule"),
    ({"holdBudgetSeconds": 32832000}, 422, "schedule-exceeds-retention", "/holdBudgetSeconds"),
    ({"secret": "x"}, 422, "invalid-secret", "/secret"),
    ({"signing": "v2"}, 422, "unknown-value", "/signing"),
    ({"transform": ""}, 422, "empty", "/transform"),
    ({"payloadSchema": {"type": 7}}, 422, "bad-schema", "/payloadSchema/type"),
    ({"headers": {"a b": "x"}}, 422, "invalid-header", "/headers/a b"),
    ({"headers": {"Host": "x"}}, 422, "reserved-header", "/headers/Host"),
    ({"headers": {"A": "1", "a": "2"}}, 422, "duplicate-header", "/headers/a"),
    ({"headers": {f"a{n}": "x" for n in range(21)}}, 422, "too-many-headers", "/headers"),
    ({"headers": {"a": "x" * 5000}}, 422, "headers-too-large", "/headers"),
    ({"tls": {"ca": "x"}}, 422, "bad-certificate", "/tls/ca"),
    ({"tls": {"clientKey": "x"}}, 422, "incomplete-pair", "/tls/clientCertificate"),
    ({"tls": {"clientCertificate": "{certificate}", "clientKey": "x"}}, 422, "bad-key", "/tls/clientKey"),
]


@pytest.mark.parametrize("row", WEBHOOKS, ids=lambda row: f"{next(iter(row[0]))}-{row[2]}")
def test_webhooks_that_are_refused(shop, row):
    fields, status, code, pointer = row
    expect(shop.project.post("/v1/webhooks", {"url": URL, **shop.fill(fields)}), status, code, pointer)


# --- writes: method, path, body, headers, status, code, pointer ---------------------------------------------------------

WRITES = [
    ("PATCH", "/v1/webhooks/{hook}", {"secret": "whsec_x"}, ANY, 422, "use-rotate-secret", "/secret"),
    ("PATCH", "/v1/webhooks/{hook}", {"name": "n"}, {}, 428, "if-match-required", None),
    ("PATCH", "/v1/webhooks/{hook}", {"name": "n"}, {"If-Match": '"99"'}, 412, "version-mismatch", None),
    ("PATCH", "/v1/webhooks/{hook}", {"headers": {"a": None}}, ANY, 400, "wrong-type", "/headers/a"),
    ("POST", "/v1/webhooks/{hook}/rotate-secret", {"graceSeconds": 10**9}, {}, 422, "out-of-range", "/graceSeconds"),
    ("POST", "/v1/webhooks/{hook}/rotate-secret", {"secret": "x"}, {}, 422, "invalid-secret", "/secret"),
    ("POST", "/v1/webhooks/{hook}/ping", {"x": 1}, {}, 400, "unknown-field", "/x"),
    ("POST", "/v1/webhooks/{hook}/test-transform", {"transform": "", "payload": 1}, {}, 422, "invalid-transform", "/transform"),
    ("POST", "/v1/webhooks/{hook}/test-transform", {"transform": "."}, {}, 400, "missing-field", "/payload"),
    ("POST", "/v1/subscriptions", {"channel": "c", "type": "queue", "endpoint": {"url": URL}}, {}, 422, "unknown-value", "/type"),
    ("PUT", "/v1/event-types/a%20b", {}, {}, 422, "malformed-name", None),
    ("PUT", "/v1/event-types/a", {"description": "x" * 2000}, {}, 422, "invalid-description", "/description"),
    ("PUT", "/v1/event-types/a", {"schema": {"type": 7}}, {}, 422, "bad-schema", "/schema/type"),
    ("POST", "/v1/deliveries/{delivery}/cancel", {}, {}, 409, "not-pending", None),
    ("POST", "/v1/deliveries/{delivery}/cancel", {"x": 1}, {}, 400, "unknown-field", "/x"),
    ("POST", "/v1/dlq/{entry}/re-drive", {"mode": "x"}, {}, 400, "bad-value", "/mode"),
    ("POST", "/v1/dlq/{entry}/restore", {}, {}, 409, "not-discarded", None),
    ("POST", "/v1/dlq/{entry}/discard", {"reason": ""}, {}, 400, "out-of-range", "/reason"),
    ("POST", "/v1/dlq/bulk-purge", {"filters": {"ü/~": 1}}, {}, 400, "unknown-field", "/filters/ü~1~0"),
    ("POST", "/v1/dlq/bulk-purge", {"filters": {"ü" * 300: 1}}, {}, 400, "unknown-field", None),
    ("POST", "/v1/dlq/bulk-purge", {"filters": {"from": ["-1h"]}}, {}, 400, "wrong-type", "/filters/from"),
    ("POST", "/v1/dlq/bulk-purge", {"filters": {"channel": ""}}, {}, 400, "bad-filter", "/filters/channel"),
    ("POST", "/v1/dlq/bulk-purge", {"filters": {"q": "text"}}, {}, 400, "window-required", "/filters/q"),
    ("POST", "/v1/dlq/bulk-purge", {"filters": {"scope": "system"}}, {}, 422, "not-available", "/filters/scope"),
    ("PATCH", "/v1/dlq/groups/" + "f" * 32, {"link": "x"}, ANY, 422, "bad-link", "/link"),
    ("POST", "/v1/keys", {"name": "n", "scopes": []}, {}, 400, "missing-field", "/scopes"),
    ("POST", "/v1/keys", {"name": "n", "scopes": ["dlq:read", "x"]}, {}, 400, "unknown-scope", "/scopes/1"),
    ("POST", "/v1/keys", {"name": "n", "scopes": ["dlq:read"], "expiresAt": 1}, {}, 422, "not-available", "/expiresAt"),
    ("POST", "/v1/keys", {"name": "n", "scopes": ["dlq:read"]}, {"Dlo-Project": "x"}, 400, "malformed-id", "Dlo-Project"),
    ("DELETE", "/v1/plan", b"", {}, 405, "method-not-allowed", None),
]


@pytest.mark.parametrize("row", WRITES, ids=lambda row: f"{row[0]}-{row[5]}-{row[1]}")
def test_writes_that_are_refused(shop, row):
    method, path, body, headers, status, code, pointer = row
    expect(shop.project.call(method, shop.fill(path), body, headers=headers), status, code, pointer)


OPERATORS = [
    ("POST", "/v1/projects", {"name": "n", "plan": "gold"}, 400, "unknown-plan", "/plan"),
    ("POST", "/v1/projects", {"name": "n", "plan": "free", "retentionDays": 99}, 422, "retention-fixed", "/retentionDays"),
    ("POST", "/v1/users", {"login": "a b"}, 400, "malformed-login", "/login"),
    ("POST", "/v1/users", {"login": "errors@example.com"}, 409, "login-taken", "/login"),
    ("POST", "/v1/projects/{project}/members", {"userId": "x", "scopes": []}, 400, "malformed-id", "/userId"),
    ("POST", "/v1/projects/{project}/members", {"login": "a"}, 400, "missing-field", "/scopes"),
    ("POST", "/v1/projects/{project}/members", {"scopes": []}, 400, "missing-field", "/userId"),
    ("POST", "/v1/projects/{project}/members", {"login": "a", "scopes": ["x"]}, 400, "unknown-scope", "/scopes/0"),
    ("POST", "/v1/projects/{project}/members", {"login": "nobody", "scopes": []}, 422, "unknown-user", "/login"),
]


@pytest.mark.parametrize("row", OPERATORS, ids=lambda row: f"{row[1]}-{row[4]}-{row[5]}")
def test_operators_calls_that_are_refused(shop, row):
    method, path, body, status, code, pointer = row
    expect(shop.stack.operator.call(method, shop.fill(path), body), status, code, pointer)


# --- who may ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed_in(shop):
    shop.stack.operator.post(f"/v1/projects/{shop.project.id}/members", {"userId": shop.user, "scopes": ["dlq:read"]})
    got = shop.stack.anybody.post("/v1/session", {"login": "errors@example.com", "password": "correct horse battery"})
    cookie = {"Cookie": got.headers["set-cookie"].split(";")[0]}
    return Client(shop.stack.port, headers={**cookie, "X-CSRF-Token": got.json()["csrfToken"]})


def test_nobody(shop):
    expect(shop.stack.anybody.get("/v1/dlq"), 401, "unauthenticated")


def test_key_without_the_scope(shop):
    expect(shop.project.limited("dlq:read").get("/v1/webhooks"), 403, "forbidden")


def test_user_of_another_project(shop, signed_in):
    expect(signed_in.get("/v1/dlq", headers={"Dlo-Project": shop.stack.project().id}), 403, "project-forbidden")


def test_user_without_the_token_against_forgery(signed_in):
    expect(signed_in.call("PUT", "/v1/session/password", {}, headers={"X-CSRF-Token": None}), 403, "csrf")


def test_wrong_current_password(signed_in):
    body = {"currentPassword": "x", "newPassword": "correct horse battery staple"}
    expect(signed_in.call("PUT", "/v1/session/password", body), 422, "wrong-password", "/currentPassword")


def test_wrong_password_and_too_many_of_them(shop):
    answers = [shop.stack.anybody.post("/v1/session", {"login": "guess@example.com", "password": "x"}) for _ in range(6)]
    expect(answers[0], 401, "sign-in-failed")
    expect(answers[-1], 429, "too-many-failures")
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_edit_that_the_operator_has_not_allowed(shop):
    body = {"payload": 1, "reason": "r"}
    expect(shop.project.post(f"/v1/dlq/{shop.entry['id']}/edit-re-drive", body), 403, "capability-off")


def test_plan_without_bulk_operations(stack):
    expect(stack.project(plan="free").post("/v1/dlq/bulk-purge", {"all": True}), 403, "plan-capability")


# --- limits that take some filling ----------------------------------------------------------------------------------------


def test_too_many_keys(project):
    project.stack.sql("INSERT INTO api_keys (id, project_id, hash, hint, name, scopes) SELECT gen_random_uuid(), %s,"
                      " sha256(convert_to(gen_random_uuid()::text, 'UTF8')), '', 'n', '{}' FROM generate_series(1, 1000)",
                      [project.number])
    expect(project.post("/v1/keys", {"name": "n", "scopes": ["dlq:read"]}), 422, "too-many-keys")


def test_too_many_operations(project):
    project.stack.sql("INSERT INTO bulk_operations (id, project_id, kind, state, query, actor, anew, truncated, total, start_at)"
                      " SELECT gen_random_uuid(), %s, 1, 1, '{}', 'test', false, false, 1, dlo_now() + interval '1 day'"
                      " FROM generate_series(1, 100)", [project.number])
    got = project.post("/v1/dlq/bulk-purge", {"all": True}, headers={"Idempotency-Key": "k"})
    expect(got, 429, "too-many-operations")
    assert int(got.headers["retry-after"]) >= 1


def test_statistics_of_too_many_buckets(project):
    hook = project.webhook(URL)
    project.stack.sql("INSERT INTO dlq_stats (project_id, at, webhook_id, reason, n) SELECT w.project_id,"
                      " date_trunc('hour', dlo_now()) - make_interval(hours => g), w.id, 1, 1 FROM webhooks w,"
                      " generate_series(1, 10001) g WHERE w.public_id = %s", [uuid_of(project, hook["id"])])
    expect(project.get("/v1/stats?from=-500d"), 422, "range-too-large")
    assert project.get("/v1/stats?from=-500d&step=day").status == 200


def uuid_of(project, shown):
    return project.stack.value("SELECT public_id FROM webhooks WHERE dlo_id('whk', public_id) = %s", [shown])


# --- what others do at the same time ----------------------------------------------------------------------------------------


def test_key_in_use_and_database_that_is_busy(stack, project):
    """A first call waits for a lock: the second with its key is told so, and the first that it has waited long enough."""
    headers, answers = {"Idempotency-Key": "one"}, []
    first = threading.Thread(target=lambda: answers.append(project.post("/v1/webhooks", {"url": URL}, headers=headers)))
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename = 'dlo_api' AND wait_event_type = 'Lock'"
    with stack.cluster.connect(SUPERUSER, stack.database) as watch, stack.connect() as holder, holder.transaction():
        holder.execute("SELECT FROM projects WHERE id = %s FOR UPDATE", [project.number])
        first.start()
        pid = eventually(lambda: watch.execute(waiting, [stack.database]).fetchone())
        expect(project.post("/v1/webhooks", {"url": URL}, headers=headers), 409, "still-running")
        expect(project.post("/v1/webhooks", {"url": "x"}, headers=headers), 422, "idempotency-key-reused")
        watch.execute("SELECT pg_cancel_backend(%s)", pid)
        first.join()
    expect(answers[0], 503, "database-busy")
    assert int(answers[0].headers["retry-after"]) >= 1
