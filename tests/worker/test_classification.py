"""What each misbehaviour of a receiver is called, and whether it is tried again. One webhook for each, all at once."""

import datetime
import socket
import subprocess

import pytest

from harness.peer import Peer
from harness.wait import eventually

PERMANENT, TRANSIENT, DELIVERED = "permanent", "transient_exhausted", "delivered"

# What the peer does: (reason, classification); a set where a receiver that breaks off may be seen in two ways.
CASES = {
    "/status/200": DELIVERED,
    "/status/201": DELIVERED,
    "/status/299": DELIVERED,
    "/status/300": ("redirect", PERMANENT),
    "/status/304": ("redirect", PERMANENT),
    "/redirect/301": ("redirect", PERMANENT),
    "/redirect/308": ("redirect", PERMANENT),
    "/status/400": ("http_4xx", PERMANENT),
    "/status/401": ("http_4xx", PERMANENT),
    "/status/404": ("http_4xx", PERMANENT),
    "/status/418": ("http_4xx", PERMANENT),
    "/status/499": ("http_4xx", PERMANENT),
    "/gone": ("http_4xx", PERMANENT),
    "/status/408": ("http_408", TRANSIENT),
    "/status/425": ("http_4xx", TRANSIENT),
    "/status/429": ("http_429", TRANSIENT),
    "/status/500": ("http_5xx", TRANSIENT),
    "/status/503": ("http_5xx", TRANSIENT),
    "/status/599": ("http_5xx", TRANSIENT),
    "/json-error": ("http_5xx", TRANSIENT),
    "/html-error": ("http_5xx", TRANSIENT),
    "/badbytes": ("http_5xx", TRANSIENT),
    "/big/300": ("http_5xx", TRANSIENT),
    "/nul-header": {("http_5xx", TRANSIENT), ("invalid_response", TRANSIENT)},
    "/hang": ("timeout", TRANSIENT),
    "/delay/20000": ("timeout", TRANSIENT),
    "/endless-1xx": {("timeout", TRANSIENT), ("invalid_response", TRANSIENT), ("response_too_large", TRANSIENT)},
    "/close": ("connection_reset", TRANSIENT),
    "/rst": ("connection_reset", TRANSIENT),
    "/garbage": ("invalid_response", TRANSIENT),
    "/http09": ("invalid_response", TRANSIENT),
    "/early-close": {("http_4xx", PERMANENT), ("connection_reset", TRANSIENT)},
    "/early": DELIVERED,
    "/keepalive-close": DELIVERED,
    # a 2xx whose head or body is trouble is still a 2xx: the receiver has taken the event
    "/slow-headers": DELIVERED,
    "/slow-body": DELIVERED,
    "/endless-body": DELIVERED,
    "/rst-mid": DELIVERED,
    "/wrong-length": DELIVERED,
    "/gzip-bomb": DELIVERED,
    "/headers/50": DELIVERED,
}
MODES = list(CASES)
TIMEOUT_MS = 2500
when = datetime.datetime.fromisoformat


@pytest.fixture(scope="module")
def results(stack, peer):
    """{mode: entry or delivery}, from one event to all of them."""
    project = stack.project()
    hooks = {mode: project.webhook(peer.url(peer.path(mode)), maxAttempts=1, timeoutMs=TIMEOUT_MS)["id"] for mode in MODES}
    project.event(payload={"a": 1})
    eventually(lambda: len(project.deliveries(limit=200, status="delivered,failed")) == len(MODES), 30)
    rows = {d["webhookId"]: project.delivery(d["id"]) for d in project.deliveries(limit=200)}
    return project, {mode: rows[hook] for mode, hook in hooks.items()}


@pytest.mark.parametrize("mode", MODES)
def test_outcome(results, mode):
    project, deliveries = results
    delivery, expected = deliveries[mode], CASES[mode]
    if expected == DELIVERED:
        assert delivery["status"] == "delivered", delivery
        return
    entry = project.entry(delivery["entryId"])
    got = (entry["failureReason"], entry["classification"])
    assert got in (expected if isinstance(expected, set) else {expected}), entry["attempts"]
    assert entry["lastError"] and entry["attempts"][0]["errorCode"]


def attempt(results, mode):
    return results[1][mode]["attempts"][0]


def test_bodies_of_failures_are_kept_to_64_kib(results):
    response = attempt(results, "/big/300")["response"]
    assert response["bodyTruncated"] is True and len(response["body"]) == 65536


def test_bodies_of_successes_are_kept_to_1_kib(results):
    response = attempt(results, "/endless-body")["response"]
    assert response["bodyTruncated"] is True and len(response["body"]) == 1024


def test_foreign_bytes_do_no_harm(results):
    response = attempt(results, "/badbytes")["response"]
    assert response["encoding"] == "base64" and response["body"]
    assert isinstance(response["headers"], dict)


def test_hostile_page_is_kept_as_text(results):
    response = attempt(results, "/html-error")["response"]
    assert "<" in response["body"] and response["encoding"] == "utf-8"


def test_timeouts_take_as_long_as_the_webhook_says(results):
    for mode in ("/hang", "/delay/20000"):
        assert TIMEOUT_MS - 50 <= attempt(results, mode)["timing"]["totalMs"] < 15000, mode  # 20 s, or no end, without it


def test_no_status_is_null(results):
    assert attempt(results, "/hang")["statusCode"] is None and attempt(results, "/close")["statusCode"] is None


def test_redirects_are_not_followed(results, peer):
    location = attempt(results, "/redirect/301")["response"]["headers"]["location"]
    assert location and attempt(results, "/redirect/301")["statusCode"] == 301


def test_error_codes_tell_timeouts_apart(results):
    assert attempt(results, "/hang")["errorCode"] == "response_timeout"


def test_receivers_that_hang_hold_nobody_up(results):
    """All went out before one of those that hang had ended: none was queued behind a bad one."""
    hung = attempt(results, "/hang")
    ended = when(hung["at"]) + datetime.timedelta(milliseconds=hung["timing"]["totalMs"])
    assert max(when(delivery["attempts"][0]["at"]) for delivery in results[1].values()) < ended


def test_finished_at_is_the_end_of_the_last_attempt(results):
    delivery = results[1]["/hang"]
    assert (when(delivery["finishedAt"]) - when(delivery["attempts"][0]["at"])).total_seconds() >= TIMEOUT_MS / 1000 - 0.05


# --- without any answer -----------------------------------------------------------------------------------------------


def one_failure(project, url, **fields):
    project.webhook(url, maxAttempts=1, timeoutMs=5000, **fields)
    project.event()
    return project.wait_entry()


def test_nobody_listens(project):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        entry = one_failure(project, f"http://127.0.0.1:{s.getsockname()[1]}/")
    assert (entry["failureReason"], entry["classification"]) == ("connection_refused", TRANSIENT)


def test_name_that_does_not_exist(project):
    """No network here: whether the resolver says NXDOMAIN (permanent) or SERVFAIL is its business."""
    entry = one_failure(project, "http://no-such-host-9f8e7d6c5b4a.example.com/")
    assert entry["failureReason"] in ("dns", "timeout")
    assert entry["attempts"][0]["errorCode"] in ("nxdomain", "dns_failure", "connect_timeout")


@pytest.fixture(scope="module")
def secure_peer(tmp_path_factory):
    """A receiver with a certificate that nobody vouches for."""
    base = tmp_path_factory.mktemp("tls")
    cert, key = base / "c.pem", base / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-days", "2"], check=True, capture_output=True)
    one = Peer((cert, key))
    yield one
    one.stop()


def test_certificate_that_nobody_vouches_for(project, secure_peer):
    path = secure_peer.path()
    entry = one_failure(project, f"https://127.0.0.1:{secure_peer.tls_port}{path}")
    assert (entry["failureReason"], entry["classification"]) == ("tls", TRANSIENT)
    assert entry["attempts"][0]["errorCode"] == "tls_certificate" and secure_peer.count(path) == 0


def test_tls_with_one_that_says_nothing(project, peer):
    project.webhook(f"https://127.0.0.1:{peer.port}{peer.path()}", maxAttempts=1, timeoutMs=500)
    project.event()
    entry = project.wait_entry()
    assert entry["failureReason"] == "timeout" and entry["attempts"][0]["errorCode"] == "tls_timeout"


def test_permanent_failure_is_tried_once(project, peer):
    path = peer.path("/status/400")
    project.webhook(peer.url(path), maxAttempts=5, retrySchedule=[1])
    project.event()
    assert project.wait_entry()["attemptCount"] == 1 and peer.count(path) == 1


def test_expected_status_is_marked_intentional(project, peer):
    entry = project.dead_letter(peer, "/status/409", hook={"expectedStatuses": [409]})
    assert entry["intentional"] is True
    assert project.dead_letter(peer, "/status/404", hook={"expectedStatuses": [409]})["intentional"] is False


def test_like_failures_share_a_fingerprint_and_unlike_ones_do_not(project, peer):
    one, two = (project.dead_letter(peer, "/json-error", hook={"maxAttempts": 1}) for _ in range(2))
    other = project.dead_letter(peer, "/status/400")
    assert one["fingerprint"] != other["fingerprint"]
    assert len(two["fingerprint"]) == 32
