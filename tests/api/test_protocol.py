"""The form of every answer: problems, headers, methods, sizes, health, metrics. Through lighttpd, as in production."""

import re
import socket

import pytest

from harness.client import raw
from harness.process import ROOT
from harness.wait import eventually

CSP = "default-src 'none'; sandbox; frame-ancestors 'none'"
HEX_UUID = re.compile(r"^[0-9a-f]{8}-")

ANSWERS = ["/v1/dlq", "/v1/webhooks", "/v1/nope", "/dlq", "/healthz", "/readyz", "/v1/dlq?nope=1", "/v1/dlq/x"]


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_the_same_safe_headers(project, path):
    got = project.get(path)
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == CSP
    assert HEX_UUID.match(got.headers["x-request-id"])
    assert not [h for h in got.headers if h.startswith("access-control-")]
    assert "set-cookie" not in got.headers


def test_no_cors_for_anybody(stack, project):
    got = project.call("OPTIONS", "/v1/dlq", headers={"Origin": "https://evil.example",
                                                       "Access-Control-Request-Method": "POST"})
    assert not [h for h in got.headers if h.startswith("access-control-")]
    assert got.status == 405 or not got.body


@pytest.mark.parametrize("id, kept", [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("ü", False),
                                      ("a/b", False), ("<x>", False)])
def test_request_id_is_kept_if_it_is_harmless(project, id, kept):
    got = project.get("/v1/dlq", headers={"X-Request-Id": id.encode().decode("latin-1")})
    assert (got.headers["x-request-id"] == id) is kept


def test_problem_has_all_its_members(project):
    got = project.get("/v1/dlq?state=closed", headers={"X-Request-Id": "r-1"})
    assert got.headers["content-type"] == "application/problem+json"
    body = got.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "requestId", "errors", "error"}
    assert body["status"] == got.status == 400 and body["requestId"] == "r-1" and body["error"] == body["title"]
    assert body["type"] and body["detail"] and set(body["errors"][0]) == {"pointer", "detail"}


def test_404_names_nothing_that_was_sent(project):
    got = project.get("/v1/<script>alert(1)</script>")
    assert got.status == 404 and b"script" not in got.body


@pytest.mark.parametrize("path", ["/v1/nope", "/v1", "/v1/dlq/x/y/z/w", "/v1/webhooks/x/nope", "/dlq/nope/nope/nope"])
def test_unknown_path_is_404(project, path):
    got = project.get(path)
    assert got.status == 404 and got.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method, path, allowed", [
    ("PUT", "/v1/webhooks", "GET, HEAD, POST"), ("DELETE", "/v1/dlq", "GET, HEAD"), ("GET", "/v1/events/batch", None),
    ("PATCH", "/v1/events", "GET, HEAD, POST"), ("POST", "/v1/dlq", "GET, HEAD"), ("TRACE", "/v1/dlq", None),
    ("BREW", "/v1/dlq", None), ("DELETE", "/healthz", "GET, HEAD"), ("GET", "/dlq/x/retry", "POST"),
])
def test_wrong_method_is_405_with_allow(project, method, path, allowed):
    got = project.call(method, path)
    assert got.status in ((405,) if allowed else (404, 405, 501)), got
    if allowed:
        assert got.headers["allow"] == allowed and got.code == "method-not-allowed"


def test_405_is_answered_before_authentication(stack):
    assert stack.anybody.delete("/v1/dlq").status in (401, 405)


@pytest.mark.parametrize("path", ["/v1/dlq", "/v1/webhooks", "/healthz", "/v1/nope", "/dlq", "/v1/events"])
def test_head_is_get_without_the_body(project, path):
    got, head = project.get(path), project.call("HEAD", path)
    assert head.status == got.status and head.body == b""
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/v1/nope":
        assert head.headers["content-length"] == str(len(got.body))


def test_large_head_needs_no_body_on_a_kept_connection(project):
    for _ in range(3):
        assert project.call("HEAD", "/v1/dlq").status == 200
        assert project.get("/v1/dlq").status == 200


def test_body_over_the_limit_is_413(project):
    got = project.post("/v1/webhooks", {"url": "https://example.com/", "description": "x" * 270000})
    assert got.status == 413 and got.headers["content-type"] == "application/problem+json"


def test_body_over_the_web_servers_limit_is_413_of_ours(project):
    got = project.post("/v1/events/batch", b"x" * (11 * 1024 * 1024), headers={"Content-Type": "application/json"})
    assert got.status == 413
    assert got.headers["content-type"] == "application/problem+json" and got.json()["requestId"]


def test_header_over_the_web_servers_limit_is_a_problem(project):
    request = f"GET /v1/dlq HTTP/1.1\r\nHost: x\r\nX-Big: {'y' * 20000}\r\nConnection: close\r\n\r\n"
    got = raw(project.port, request.encode())
    assert got.split(b" ")[1] in (b"431", b"400", b"413")


@pytest.mark.parametrize("type, status", [("text/plain", 415), (None, 415), ("application/jsonx", 415),
                                          ("application/json", 201), ("APPLICATION/JSON;charset=utf-8", 201)])
def test_content_type_is_asked_for(project, type, status):
    got = project.post("/v1/webhooks", b'{"url":"https://example.com/"}', headers={"Content-Type": type})
    assert got.status == status
    if status == 415:
        assert "Content-Type: application/json" in got.json()["detail"]


def test_form_of_an_html_page_is_refused(project):
    got = project.post("/v1/webhooks", b"url=https%3A%2F%2Fexample.com%2F",
                       headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert got.status == 415


@pytest.mark.parametrize("request_line", ["GET /v1/dlq?x=%zz HTTP/1.1", "GET /v1/%zz HTTP/1.1", "GET /v1/dlq/%ff HTTP/1.1",
                                          "GET /v1/dlq/%00 HTTP/1.1"])
def test_malformed_uri_is_400_or_404(project, request_line):
    got = raw(project.port, f"{request_line}\r\nHost: x\r\nAuthorization: Bearer {project.key}\r\nConnection: close\r\n\r\n"
              .encode())
    assert got.split(b" ")[1] in (b"400", b"404")
    assert b"<html" not in got.lower()


def test_escaped_slash_does_not_make_a_path(project):
    assert project.get("/v1%2Fdlq").status in (400, 404)
    assert project.get("/v1/dlq%2Fx%2Fpayload").status == 404


def test_many_query_parameters_are_refused_not_fatal(project):
    assert project.get("/v1/dlq?" + "&".join(f"channel={n}" for n in range(500))).status == 400
    assert project.get("/v1/dlq").status == 200


def test_random_requests_do_not_kill_a_responder(project):
    import random
    rng = random.Random(11)
    good = (f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {project.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 31\r\nConnection: close\r\n\r\n"
            '{"eventType":"a","payload":[1]}').encode()
    for _ in range(150):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            raw(project.port, bytes(data), finish=True, timeout=3)
        except (OSError, socket.timeout):
            pass
    assert project.get("/v1/dlq").status == 200
    assert "ended: signal" not in project.stack.processes["fcgi"].tail(1000)


# --- health, metrics, the dashboard's files ---------------------------------------------------------------------------


def test_healthz_is_open(stack):
    got = stack.anybody.get("/healthz")
    assert got.status == 200 and got.json()["status"] == "ok" and got.json()["version"]


def test_readyz_when_all_is_well(stack):
    eventually(lambda: stack.anybody.get("/readyz").status == 200)


def test_readyz_names_a_missing_worker(make_stack):
    stack = make_stack(worker=False)
    got = stack.anybody.get("/readyz")
    assert got.status == 503 and got.headers["retry-after"] and "sender" in str(got.json()["errors"])
    assert got.code == "not-ready"


METRICS = ["dlo_events_total", "dlo_requests_total", "dlo_request_duration_seconds_bucket", "dlo_due", "dlo_later",
           "dlo_oldest_due_seconds", "dlo_leases", "dlo_sender_heartbeat_age_seconds", "dlo_dlq_open"]


def test_metrics_in_the_text_format(stack, project, peer):
    project.dead_letter(peer)
    got = stack.operator.get("/metrics")
    assert got.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = got.body.decode().splitlines()
    for line in lines:
        assert re.match(r"^(# (TYPE|HELP) \w+ .+|\w+(\{[^{}]*\})? -?[0-9.e+-]+)$", line), line
    shown = {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}
    assert set(METRICS) <= shown
    assert any("attempt" in name for name in shown) and any("inflight" in name or "in_flight" in name for name in shown)


def test_metrics_tell_no_tenants_words(stack, project, peer):
    project.webhook(peer.url(peer.path()), name="secret-name")
    project.event(type="secret.type")
    assert b"secret" not in stack.operator.get("/metrics").body


def test_leases_are_all_held(stack):
    def leases():
        return re.search(rb"^dlo_leases (\d+)", stack.operator.get("/metrics").body, re.M).group(1)
    eventually(lambda: leases() == b"64")


@pytest.mark.skipif(not (ROOT / "web" / "index.html").exists(), reason="no dashboard yet")
def test_dashboards_files_have_a_strict_policy(stack):
    got = stack.anybody.get("/")
    assert got.status == 200 and got.headers["content-type"] == "text/html; charset=utf-8"
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_database_away_is_503_with_retry_after(make_stack):
    stack = make_stack(worker=False)
    project = stack.project()
    stack.cluster.sql(f"ALTER DATABASE {stack.database} WITH ALLOW_CONNECTIONS false")
    stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'")
    try:
        for got in (project.get("/v1/dlq"), project.post("/v1/events", {"eventType": "t", "payload": 1})):
            assert got.status == 503 and int(got.headers["retry-after"]) >= 1, got
            assert got.code == "database-unavailable"
            assert got.headers["content-type"] == "application/problem+json"
        assert stack.anybody.get("/readyz").status == 503 and stack.anybody.get("/healthz").status == 200
    finally:
        stack.cluster.sql(f"ALTER DATABASE {stack.database} WITH ALLOW_CONNECTIONS true")
    eventually(lambda: project.post("/v1/events", {"eventType": "t", "payload": 1}).status == 202)


def test_killed_backends_cost_no_answer_but_503(stack, project):
    """A connection that broke while idle is found by the next statement, and the one after that works again."""
    stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'"
                      " AND usename = 'dlo_api'")
    answers = [project.get("/v1/dlq").status for _ in range(12)]
    assert set(answers) <= {200, 503} and answers[-1] == 200
