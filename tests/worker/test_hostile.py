"""Receivers that mean harm, or are merely broken: each is judged rightly, within its time and within our memory, and
no neighbour feels it. All of them are attacked by one event each, at once; the tests then look at what was stored."""

import datetime

import pytest

from harness.peer import Peer
from harness.process import BUILD
from harness.wait import eventually

TIMEOUT_MS = 2500
PERMANENT, TRANSIENT = "permanent", "transient_exhausted"
when = datetime.datetime.fromisoformat

# What is believed is the status: 2xx is delivered whatever came behind it.
DELIVERED = ("delivered", None, None)


def failed(reason, code, classification=TRANSIENT):
    return (reason, classification, code)


INVALID = failed("invalid_response", "bad_response")
TOO_LARGE = failed("response_too_large", "header_too_large")
RESET = failed("connection_reset", "reset")
EMPTY = failed("connection_reset", "empty_reply")
SERVER_ERROR = failed("http_5xx", "http_5xx")
REDIRECT = failed("redirect", "redirect", PERMANENT)


def timeout(code):
    return failed("timeout", code)


# mode: (statusCode, what became of it); several where the kernel decides what we see of a broken connection
MODES = {
    # slow
    "/hang": (None, timeout("response_timeout")),
    "/slow-status": (None, timeout("response_timeout")),
    "/slow-headers": (200, DELIVERED),
    "/slow-body": (200, DELIVERED),
    # too much
    "/endless-body": (200, DELIVERED),
    "/endless-1xx": (None, TOO_LARGE),
    "/endless-headers": (200, DELIVERED),
    "/endless-chunks": (200, DELIVERED),
    "/endless-trailers": (200, DELIVERED),
    "/headers/10000": (200, DELIVERED),
    "/long-header/1024": (200, DELIVERED),
    "/long-status/1024": (None, TOO_LARGE),
    "/gzip-bomb": (200, DELIVERED),
    "/transfer-bomb": (200, DELIVERED),
    # broken off
    "/close": (None, EMPTY),
    "/rst": (None, RESET),
    "/rst-head": (None, RESET),
    "/rst-status": (None, RESET),
    "/rst-headers": (200, DELIVERED),
    "/rst-mid": (200, DELIVERED),
    "/half-status": (None, EMPTY),
    "/half-headers": (200, DELIVERED),
    "/only-interim": (None, EMPTY),
    # not HTTP
    "/garbage": (None, INVALID),
    "/http09": (None, INVALID),
    "/http2-preface": (None, INVALID),
    "/http2-frames": (None, INVALID),
    "/http3-status": (None, INVALID),
    "/no-status": (None, INVALID),
    "/word-status": (None, INVALID),
    "/negative-status": (None, INVALID),
    "/long-number": (None, INVALID),
    "/zero-status": (None, INVALID),
    "/nul-status": (None, INVALID),
    "/switching": (None, INVALID),
    "/status/999": (999, SERVER_ERROR),
    "/status/600": (600, SERVER_ERROR),
    # not quite HTTP
    "/wrong-length": (200, DELIVERED),
    "/short-length": (200, DELIVERED),
    "/negative-length": (200, DELIVERED),
    "/huge-length": (200, DELIVERED),
    "/bad-length": (200, DELIVERED),
    "/two-lengths": (200, DELIVERED),
    "/length-and-chunked": (200, DELIVERED),
    "/bad-chunk": (200, DELIVERED),
    "/huge-chunk": (200, DELIVERED),
    "/cut-chunk": (200, DELIVERED),
    "/failed-chunk": (503, SERVER_ERROR),
    "/trailers": (200, DELIVERED),
    "/nul-header": (500, SERVER_ERROR),
    "/no-colon": (200, DELIVERED),
    "/folded": (500, SERVER_ERROR),
    "/bare-lf": (200, DELIVERED),
    "/badbytes": (500, SERVER_ERROR),
    # elsewhere
    "/redirect/301": (301, REDIRECT),
    "/redirect/308": (308, REDIRECT),
}

DOORS = ("reset", "close", "silent", "mail", "http", "alert", "slow-tls")
DOOR_CASES = {
    "http://reset": (None, RESET),
    "http://close": (None, EMPTY, RESET),
    "http://silent": (None, timeout("response_timeout")),
    "http://mail": (None, INVALID),
    "http://http": (400, failed("http_4xx", "http_4xx", PERMANENT)),
    "http://alert": (None, INVALID),
    "http://slow-tls": (None, INVALID),
    "https://reset": (None, RESET, failed("tls", "tls_handshake")),
    "https://close": (None, RESET, failed("tls", "tls_handshake")),
    "https://silent": (None, timeout("tls_timeout")),
    "https://mail": (None, failed("tls", "tls_handshake")),
    "https://http": (None, failed("tls", "tls_handshake")),
    "https://alert": (None, failed("tls", "tls_alert")),
    "https://slow-tls": (None, timeout("tls_timeout")),
}
CASES = {**MODES, **DOOR_CASES}


@pytest.fixture(scope="module")
def doors():
    one = Peer(doors=DOORS)
    yield one
    one.stop()


def memory_kib(stack, what="VmHWM"):
    """Of the one sender; VmHWM is its highest mark."""
    for line in open(f"/proc/{stack.worker_children()[0]}/status"):
        if line.startswith(what):
            return int(line.split()[1])


def url_of(case, peer, doors):
    if "://" not in case:
        path = peer.path(case)
        return peer.url(path) + (f"?to={peer.url(path)}" if case.startswith("/redirect") else "")
    scheme, _, kind = case.partition("://")
    return doors.door_url(kind, scheme=scheme)


class Attacked:
    """What became of one event to all of them, and of a neighbour's meanwhile."""

    def __init__(self, stack, peer, doors):
        self.project = stack.project()
        self.urls = {case: url_of(case, peer, doors) for case in CASES}
        hooks = {self.project.webhook(url, maxAttempts=1, timeoutMs=TIMEOUT_MS, eventTypes=["attack"])["id"]: case
                 for case, url in self.urls.items()}
        self.neighbour(stack, peer, 5)
        self.memory_before = memory_kib(stack)
        self.project.event(type="attack", payload={"a": "x" * 2000})
        self.neighbours = self.neighbour(stack, peer, 40)
        eventually(lambda: len(self.project.deliveries(limit=200, status="delivered,failed")) == len(CASES))
        self.memory_after = memory_kib(stack)
        rows = self.project.deliveries(limit=200)
        self.deliveries = {hooks[row["webhookId"]]: self.project.delivery(row["id"]) for row in rows}

    def neighbour(self, stack, peer, events):
        """Events one after the other to one that answers, of another project; when each came."""
        project, path = stack.project(), peer.path()
        project.webhook(peer.url(path))
        for n in range(events):
            project.event(payload=n)
            peer.wait(path, n + 1)
        return [r.at_ms for r in peer.requests(path)]


@pytest.fixture(scope="module")
def attacked(stack, peer, doors):
    return Attacked(stack, peer, doors)


@pytest.mark.parametrize("case", CASES)
def test_judged_rightly(attacked, case):
    status, *expected = CASES[case]
    delivery = attacked.deliveries[case]
    attempt = delivery["attempts"][-1]
    assert len(delivery["attempts"]) == 1
    if delivery["status"] == "delivered":
        got = DELIVERED
    else:
        entry = attacked.project.entry(delivery["entryId"])
        got = (entry["failureReason"], entry["classification"], attempt["errorCode"])
        assert attempt["error"]
    assert got in expected, attempt
    assert attempt["statusCode"] == status, attempt


@pytest.mark.parametrize("case", CASES)
def test_over_within_its_time(attacked, case):
    assert attacked.deliveries[case]["attempts"][0]["timing"]["totalMs"] <= 3 * TIMEOUT_MS


@pytest.mark.parametrize("case", CASES)
def test_what_was_stored_is_bounded_text(attacked, case):
    attempt = attacked.deliveries[case]["attempts"][0]
    response = attempt["response"]
    headers = "".join(f"{k}: {v}\n" for k, v in (response["headers"] or {}).items())
    assert len(headers.encode()) <= 2 * 8192 and "\0" not in headers and "\0" not in (attempt["error"] or "")
    assert len(response["body"] or "") <= 90000


measured = pytest.mark.skipif(BUILD.name == "dev", reason="a sanitizer keeps what is freed")


@measured
def test_all_of_them_in_bounded_memory(attacked):
    assert attacked.memory_after - attacked.memory_before < 32 * 1024


def test_neighbour_does_not_feel_them(attacked):
    """Each was sent when the last one had come: some, while those that hang were still under way."""
    hung = attacked.deliveries["/hang"]["attempts"][0]
    began = when(hung["at"]).timestamp() * 1000
    meanwhile = [at for at in attacked.neighbours if began < at < began + hung["timing"]["totalMs"]]
    assert len(meanwhile) >= 4, (began, hung["timing"], attacked.neighbours)


def test_redirects_to_themselves_are_not_followed(attacked, peer):
    for case in ("/redirect/301", "/redirect/308"):
        path = attacked.urls[case].split("?")[0].split(str(peer.port))[1]
        assert peer.count(path) == 1


def test_bomb_is_stored_as_it_came(attacked):
    """Content-Encoding is the receiver's own business; a transfer encoding is undone by libcurl, no further than we read."""
    kept = attacked.deliveries["/gzip-bomb"]["attempts"][0]["response"]
    assert kept["encoding"] == "base64" and kept["body"].startswith("H4sI")
    assert attacked.deliveries["/transfer-bomb"]["attempts"][0]["response"]["bodyTruncated"] is True


@measured
def test_heads_without_end_leave_no_memory_behind(stack, peer):
    """Many at once, of headers so short that what is kept beside each is all that counts."""
    project = stack.project()
    for _ in range(40):
        project.webhook(peer.url(peer.path("/endless-headers", record=False)), maxAttempts=1, timeoutMs=TIMEOUT_MS)
    before = memory_kib(stack)
    for _ in range(3):
        project.event()
    eventually(lambda: len(project.deliveries(limit=200, status="delivered")) == 120)
    assert memory_kib(stack) - before < 24 * 1024


# --- large bodies, answered before they were read ------------------------------------------------------------------------

LARGE = {"x": "y" * 250_000}


@pytest.mark.parametrize("mode,expected", [
    ("/early", {None}),
    ("/early-unread", {None}),
    ("/early-close", {"http_4xx", "connection_reset"}),
    ("/rst-head", {"connection_reset"}),
])
def test_answer_before_a_large_body_was_read(project, mode, expected):
    alone = Peer(doors=["narrow"])
    hook = project.webhook(alone.door_url("narrow", mode), maxAttempts=1, timeoutMs=TIMEOUT_MS)
    project.event(payload=LARGE)
    delivery = project.wait_delivery(webhookId=hook["id"], status="delivered,failed")
    attempt = delivery["attempts"][0]
    assert attempt.get("failureReason") in expected, str(attempt)
    assert attempt["timing"]["totalMs"] <= 3 * TIMEOUT_MS
    alone.stop()


def test_time_to_first_byte_is_not_that_of_our_own(project, peer):
    """Once the body is larger than what goes out at once, libcurl counts from there."""
    hook = project.webhook(peer.url(peer.path("/delay/400")))
    project.event(payload=LARGE)
    timing = project.wait_delivery(webhookId=hook["id"], status="delivered")["attempts"][0]["timing"]
    assert 390 <= timing["ttfbMs"] <= timing["totalMs"] + 5


# --- kept connections ---------------------------------------------------------------------------------------------------


def send_and_wait(project, hook, n):
    project.event(payload=n)
    rows = eventually(lambda: len(found := project.deliveries(webhookId=hook["id"], status="delivered")) >= n and found)
    return project.delivery(rows[0]["id"])


def resent(stack):
    found = [line for line in stack.operator.get("/metrics").body.decode().splitlines()
             if line.startswith("dlo_requests_resent_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


@pytest.mark.parametrize("mode", ["/second-close", "/second-rst"])
def test_kept_connection_that_ends_under_a_request_is_replaced_once(stack, project, mode):
    """The receiver may have read it: it gets the same webhook-id again, and that is written down."""
    alone = Peer()
    path = alone.path(mode)
    hook = project.webhook(alone.url(path), maxAttempts=1)
    first = send_and_wait(project, hook, 1)
    second = send_and_wait(project, hook, 2)
    requests = alone.requests(path)
    assert [r.headers["dlo-delivery-id"] for r in requests] == [first["id"], second["id"], second["id"]]
    assert requests[0].connection == requests[1].connection != requests[2].connection
    assert first["attempts"][0]["error"] is None and "sent twice" in second["attempts"][0]["error"]
    eventually(lambda: resent(stack) >= 1)
    alone.stop()


def test_many_stale_connections_cost_one_repetition(project):
    """libcurl alone would try one kept connection after the other."""
    alone = Peer()
    busy = project.webhook(alone.url(alone.path("/delay/300", record=False)), eventTypes=["busy"])
    project.post("/v1/events/batch", {"events": [{"eventType": "busy", "payload": n} for n in range(60)]})
    eventually(lambda: len(project.deliveries(webhookId=busy["id"], status="delivered", limit=200)) == 60, 30)
    assert alone.control("stats")["open"] > 4
    path = alone.path("/second-close")
    hook = project.webhook(alone.url(path), maxAttempts=1, eventTypes=["once"])
    project.event(type="once")
    delivery = project.wait_delivery(webhookId=hook["id"], status="delivered,failed")
    assert delivery["status"] == "delivered" and len(alone.requests(path)) == 2
    alone.stop()


def test_connection_that_ended_while_idle_costs_nothing(project):
    alone = Peer()
    path = alone.path("/keepalive-close/50")
    hook = project.webhook(alone.url(path), maxAttempts=1)
    send_and_wait(project, hook, 1)
    eventually(lambda: alone.control("stats")["open"] == 1)  # the one that asks
    send_and_wait(project, hook, 2)
    assert len(alone.requests(path)) == 2
    alone.stop()


# --- Retry-After --------------------------------------------------------------------------------------------------------

SCHEDULE = (47, 73)  # 60 s, give or take a fifth, and a second
RETRY_AFTER = {
    "banana": SCHEDULE,
    "": SCHEDULE,
    "-5": SCHEDULE,
    "0": SCHEDULE,
    "0x10": SCHEDULE,
    "1e9": SCHEDULE,
    "5, 7200": SCHEDULE,
    "\u00e9": SCHEDULE,
    "Fri, 31 Dec 1999 23:59:59 GMT": SCHEDULE,
    "Fri, 99 Foo 2099 99:99:99 GMT": SCHEDULE,
    "120.6": (119, 123),
    "600": (598, 602),
    "9" * 40: (86398, 86402),
    "Fri, 31 Dec 9999 23:59:59 GMT": (86398, 86402),
}


def test_retry_after_nonsense_is_worth_nothing(project, peer):
    hooks = {}
    for value in RETRY_AFTER:
        # the query is decoded by the peer; percent-encoding keeps each value one header
        quoted = "".join(f"%{b:02x}" for b in value.encode("latin-1"))
        hook = project.webhook(peer.url(peer.path(f"/status/503?retry-after={quoted}")), maxAttempts=3,
                               retrySchedule=[60], timeoutMs=TIMEOUT_MS)
        hooks[hook["id"]] = value
    project.event()
    rows = eventually(lambda: len(found := [d for d in project.deliveries(limit=200) if d["attemptCount"] == 1
                                            and d["nextAttemptAt"]]) == len(hooks) and found)
    for row in rows:
        value = hooks[row["webhookId"]]
        attempt = project.delivery(row["id"])["attempts"][0]
        wait = (when(row["nextAttemptAt"]) - when(attempt["at"])).total_seconds()
        least, most = RETRY_AFTER[value]
        assert least <= wait <= most, (value, wait)
