"""The worker against name servers and receivers that want to lead it astray: the `dns` and `flow` cases of the shared
suite, and DNS that is slow, dead or wrong. Where a case needs an address that is public, the operator's list holds one
of the loopback: 127.0.0.1 and 127.20.0.0/16 are let in, all of the rest of it is not."""

import itertools
import socket
import threading
import time

import pytest

from harness.dns import Dns
from harness.process import ROOT
from harness.wait import eventually

ALLOWED = "127.0.0.1/32,127.20.0.0/16"
INSIDE, NEIGHBOUR = "127.20.1.5", "127.21.1.5"
numbers = itertools.count(1)


class Receiver:
    """Counts the connections to one address of the loopback, and answers each with the same bytes."""

    OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n%s\r\n"

    def __init__(self, address, headers=b"", port=0):
        self.answer = self.OK % headers
        self.connections, self.heads = 0, []
        self.listener = socket.create_server((address, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=[conn], daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as lines:
            while head := b"".join(itertools.takewhile(lambda line: line not in (b"\r\n", b""), lines)):
                length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                               if line.startswith(b"content-length:")), 0)
                lines.read(length)
                self.heads.append(head.decode("latin-1"))
                conn.sendall(self.answer)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # else accept() goes on
        self.listener.close()


@pytest.fixture(scope="module")
def dns():
    server = Dns()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def secrets_at_home(tmp_path_factory, proxy):
    """The worker's environment: credentials for every host, and a proxy for everything."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o755)
    (home / ".netrc").write_text("default login somebody password secret\n")
    (home / ".netrc").chmod(0o644)
    url = f"http://127.0.0.1:{proxy.port}"
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {"HOME": str(home), "RES_OPTIONS": "ndots:5", "LOCALDOMAIN": "search.example.com", **dict.fromkeys(names, url)}


@pytest.fixture(scope="module")
def proxy():
    one = Receiver("127.0.0.1")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def stack(make_stack, dns, secrets_at_home):
    return make_stack(allow_nets=ALLOWED, dns_servers=dns.address, env=secrets_at_home)


@pytest.fixture
def receiver():
    """Makes receivers that end with the test."""
    made = []

    def make(*args, **kw):
        made.append(Receiver(*args, **kw))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def name(dns):
    """A name nobody asked for before, put into the zone."""

    def make(*addresses, **properties):
        return dns.zone(f"n{next(numbers)}.example.com", *addresses, **properties)

    return make


def judged(entry, reason, classification):
    assert (entry["failureReason"], entry["classification"]) == (reason, classification)
    return entry


def codes(entry):
    return [attempt["errorCode"] for attempt in entry["attempts"]]


def sent_to(project, url, **hook):
    """A webhook there and one event for it."""
    made = project.webhook(url, **hook)
    project.event()
    return made


# --- the shared cases `dns` -------------------------------------------------------------------------------------------

def shared(stage):
    lines = (ROOT / "tests/unit/ssrf_cases.txt").read_text().splitlines()
    return [line.split("\t")[::2] for line in lines if line.split("\t")[1:2] == [stage]]


REJECTED = [case.split(" -> ") for verdict, case in shared("dns") if verdict == "REJECT"]


def test_the_suite_is_there():
    assert len(REJECTED) >= 4 and len(shared("flow")) >= 13


@pytest.fixture(scope="module")
def strict(make_stack, dns):
    """Nothing is let in but what is public."""
    return make_stack(allow_nets="", dns_servers=dns.address)


@pytest.mark.parametrize("host, addresses", REJECTED, ids=[host for host, _ in REJECTED])
def test_name_that_leads_inside(strict, dns, peer, host, addresses):
    dns.zone(host, *addresses.split(","))
    project, path = strict.project(), peer.path()
    sent_to(project, f"http://{host}:{peer.port}{path}")
    entry = judged(project.wait_entry(), "address_refused", "permanent")
    assert codes(entry) == ["address_refused"] and peer.count(path) == 0
    assert not any(address in str(entry) for address in addresses.split(","))


def test_only_the_address_that_is_let_in_is_connected_to(project, receiver, name):
    good = receiver(INSIDE)
    bad = receiver(NEIGHBOUR, port=good.port)
    host = name("10.0.0.1", NEIGHBOUR, INSIDE, "::1")
    hook = project.webhook(f"http://{host}:{good.port}/")
    for _ in range(5):
        project.event()
    eventually(lambda: len(good.heads) == 5)
    assert bad.connections == 0 and not project.entries(webhookId=hook["id"])


# --- the shared cases `flow` ------------------------------------------------------------------------------------------

def test_operators_list_lets_in_by_literal_and_by_name(project, receiver, name):
    one = receiver(INSIDE)
    sent_to(project, f"http://{INSIDE}:{one.port}/literal")
    sent_to(project, f"http://{name(INSIDE)}:{one.port}/name")
    eventually(lambda: {"/literal", "/name"} <= {head.split()[1] for head in one.heads})


@pytest.mark.parametrize("answer", [NEIGHBOUR, f"::ffff:{NEIGHBOUR}"])
def test_neighbour_of_the_operators_list(project, receiver, name, answer):
    one = receiver(NEIGHBOUR)
    sent_to(project, f"http://{name(answer)}:{one.port}/")
    judged(project.wait_entry(), "address_refused", "permanent")
    assert one.connections == 0


def test_mapped_literal_is_unwrapped_before_the_list_is_read(project, receiver):
    one = receiver(NEIGHBOUR)
    hook = project.webhook("https://example.com/")
    project.stack.sql("UPDATE webhooks SET url = %s WHERE project_id = %s",
                      [f"http://[::ffff:{NEIGHBOUR}]:{one.port}/", project.number])
    project.event()
    judged(project.wait_entry(webhookId=hook["id"]), "address_refused", "permanent")
    assert one.connections == 0


def test_credentials_of_netrc_are_not_sent(project, receiver, name):
    one = receiver("127.0.0.1")
    sent_to(project, f"http://{name('127.0.0.1')}:{one.port}/")
    eventually(lambda: one.heads)
    assert "authorization:" not in one.heads[0].lower()


def test_proxy_of_the_environment_is_not_used(project, proxy, receiver, name):
    one = receiver("127.0.0.1")
    sent_to(project, f"http://{name('127.0.0.1')}:{one.port}/")
    eventually(lambda: one.heads)
    assert proxy.connections == 0


def test_name_of_our_own_network_over_https(project, receiver, name):
    one = receiver(NEIGHBOUR)
    sent_to(project, f"https://{name(NEIGHBOUR)}:{one.port}/")
    judged(project.wait_entry(), "address_refused", "permanent")
    assert one.connections == 0


def test_name_that_moves_inside_between_attempts(project, peer, dns, receiver, name):
    inside = receiver(NEIGHBOUR)
    path, host = peer.path("/status/500"), name("127.0.0.1", ttl=0)
    sent_to(project, f"http://{host}:{peer.port}{path}", retrySchedule=[7], maxAttempts=5)
    peer.wait(path)
    dns.zone(host, NEIGHBOUR, ttl=0)
    entry = judged(project.wait_entry(), "address_refused", "permanent")
    assert sorted(codes(entry)) == ["address_refused", "http_5xx"]
    assert inside.connections == 0 and peer.count(path) == 1


def test_connection_that_is_open_is_not_used_once_the_name_leads_inside(project, receiver, dns, name):
    one = receiver("127.0.0.1")
    host = name("127.0.0.1", ttl=0)
    hook = sent_to(project, f"http://{host}:{one.port}/")
    eventually(lambda: one.heads)
    dns.zone(host, NEIGHBOUR, ttl=0)
    eventually(lambda: project.event() and project.entries(webhookId=hook["id"]), 15, every=0.5)
    before = len(one.heads)
    project.event()
    judged(project.wait_entry(n=2, webhookId=hook["id"]), "address_refused", "permanent")
    assert before > 1 and len(one.heads) == before and one.connections == 1


@pytest.mark.parametrize("header", ["alt-svc: h2=\"{inside}\"; ma=86400", "refresh: 0; url=http://{inside}/",
                                    "link: <http://{inside}/>; rel=preload", "location: http://{inside}/"])
def test_header_that_points_inside_is_not_followed(project, receiver, name, header):
    inside = receiver(NEIGHBOUR)
    line = header.format(inside=f"{NEIGHBOUR}:{inside.port}").encode() + b"\r\n"
    one = receiver("127.0.0.1", line)
    hook = project.webhook(f"http://{name('127.0.0.1')}:{one.port}/")
    for n in range(1, 3):
        project.event()
        eventually(lambda: len(one.heads) == n)
    assert inside.connections == 0 and not project.entries(webhookId=hook["id"])


def test_redirect_inside_is_not_followed(project, peer, receiver, name):
    inside = receiver(NEIGHBOUR)
    path = peer.path(f"/redirect/302?to=http://{NEIGHBOUR}:{inside.port}/")
    sent_to(project, f"http://{name('127.0.0.1')}:{peer.port}{path}")
    judged(project.wait_entry(), "redirect", "permanent")
    assert inside.connections == 0 and peer.count(path) == 1


def test_answer_without_a_status_is_no_answer(project, peer, name):
    path = peer.path("/http09")
    sent_to(project, f"http://{name('127.0.0.1')}:{peer.port}{path}", maxAttempts=1)
    judged(project.wait_entry(), "invalid_response", "transient_exhausted")


def test_endless_body_ends_with_what_is_kept(project, peer, name):
    path = peer.path("/endless-body")
    sent_to(project, f"http://{name('127.0.0.1')}:{peer.port}{path}")
    delivery = project.wait_delivery(status="delivered")
    assert delivery["attempts"][0]["response"]["bodyTruncated"]


def test_name_with_a_zero_byte_is_no_url(project):
    made = project.post("/v1/webhooks", {"url": "http://example.com\u0000.evil.com/"})
    assert made.status in (400, 422)


# --- what DNS may answer ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("properties, code, classification", [
    ({"rcode": "NXDOMAIN"}, "nxdomain", "permanent"),
    ({}, "nxdomain", "permanent"),  # it exists, without any address
    ({"rcode": "SERVFAIL"}, "dns_servfail", "transient_exhausted"),
    ({"rcode": "REFUSED"}, "dns_servfail", "transient_exhausted"),
    ({"silent": True}, "dns_timeout", "transient_exhausted"),
], ids=["nxdomain", "nodata", "servfail", "refused", "silent"])
def test_failure(project, name, properties, code, classification):
    sent_to(project, f"https://{name(**properties)}/", maxAttempts=1)
    entry = judged(project.wait_entry(), "dns", classification)
    assert codes(entry) == [code]


def test_trouble_is_tried_again(project, peer, dns, name):
    path, host = peer.path(), name(rcode="SERVFAIL")
    sent_to(project, f"http://{host}:{peer.port}{path}", retrySchedule=[1], maxAttempts=20)
    eventually(lambda: dns.count(host))
    dns.zone(host, "127.0.0.1")
    peer.wait(path)


def test_truncated_answer_comes_over_tcp(project, peer, dns, name):
    path, host = peer.path(), name("127.0.0.1", truncated=True)
    sent_to(project, f"http://{host}:{peer.port}{path}")
    peer.wait(path)
    assert dns.count(host, how="tcp") == 1


def test_alias_is_followed_by_the_server_alone(project, peer, dns, name):
    path, host = peer.path(), name("127.0.0.1", alias="target.example.net")
    sent_to(project, f"http://{host}:{peer.port}{path}")
    peer.wait(path)
    assert dns.count("target.example.net") == 0


def test_names_are_absolute(project, dns, name):
    host = name(rcode="NXDOMAIN")
    sent_to(project, f"https://{host}/")
    project.wait_entry()
    assert not [asked for asked, _, _ in dns.asked if "search.example.com" in asked]


def test_localhost_is_not_asked_for(project, peer, dns):
    path = peer.path()
    sent_to(project, f"http://localhost:{peer.port}{path}")
    peer.wait(path)
    assert dns.count("localhost") == 0


# --- how often it is asked, and for whom ------------------------------------------------------------------------------

def test_webhooks_of_one_name_share_a_query(project, peer, dns, name):
    host, paths = name("127.0.0.1", delay=0.5), [peer.path() for _ in range(20)]
    for path in paths:
        project.webhook(f"http://{host}:{peer.port}{path}")
    project.event()
    for path in paths:
        peer.wait(path)
    assert dns.count(host) == 1


def test_short_ttl_is_asked_again_and_not_at_each_request(project, peer, dns, name):
    path, host = peer.path(), name("127.0.0.1", ttl=0)
    project.webhook(f"http://{host}:{peer.port}{path}")
    began = time.monotonic()
    eventually(lambda: project.event() and dns.count(host) >= 2, every=0.2)
    assert time.monotonic() - began > 3  # the last quarter of five seconds
    assert peer.count(path) > dns.count(host) + 3


def test_dead_name_delays_nobody_else(project, peer, name):
    dead, path = name(silent=True), peer.path()
    project.webhook(f"http://{dead}/", eventTypes=["dead"])
    project.webhook(f"http://{name('127.0.0.1')}:{peer.port}{path}", eventTypes=["alive"])
    project.event(type="dead")
    project.event(type="alive")
    peer.wait(path)
    assert project.rows("ready") >= 1 and project.rows("later") == 0  # it came before the other was given up


def test_dead_names_of_one_project_leave_room_for_others(stack, peer, dns, name):
    villain, victim = stack.project(), stack.project()
    dead, path = [name(silent=True) for _ in range(200)], peer.path()
    for host in dead:
        villain.webhook(f"http://{host}/")
    victim.webhook(f"http://{name('127.0.0.1')}:{peer.port}{path}")
    villain.event()

    def asked():
        return len([host for host in dead if dns.count(host)])

    eventually(lambda: asked() >= 16)
    victim.event()
    peer.wait(path)
    assert asked() <= 48  # a quarter of 64, and those that took the places of who was given up after 5 s; 64 without a limit


def test_slow_server_holds_up_nothing_but_its_own(project, peer, name):
    slow, quick = peer.path(), peer.path()
    project.webhook(f"http://{name('127.0.0.1', delay=4)}:{peer.port}{slow}", eventTypes=["slow"])
    project.webhook(f"http://127.0.0.1:{peer.port}{quick}", eventTypes=["quick"])
    project.event(type="slow")
    for n in range(1, 4):
        project.event(type="quick")
        peer.wait(quick, n)
    assert peer.count(slow) == 0
    peer.wait(slow)
