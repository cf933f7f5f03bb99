"""Who a receiver must be, and who we are to it: verification, authorities and certificates of a webhook's own."""

import datetime

import pytest

from harness.peer import Peer
from harness.process import own
from harness.seal import seal
from harness.tls import DAY, Authority, with_pass_phrase
from harness.wait import eventually

TIMEOUT_MS = 3000
HOUR = datetime.timedelta(hours=1)
REFUSED = ("failed", "tls", "tls_certificate")
GOOD = ("delivered", None, None)


@pytest.fixture(scope="module")
def base(cluster):
    path = cluster.base / "tls"
    path.mkdir(mode=0o755, exist_ok=True)
    own(path)
    return path


@pytest.fixture(scope="module")
def authority(base):
    """What the operator's ca_file vouches for, behind the system's own bundle: reading it takes a while."""
    made = Authority(base, "public")
    bundle = open("/etc/ssl/certs/ca-certificates.crt", "rb").read()
    made.path.write_bytes(bundle + b"\n" + made.pem)
    return made


@pytest.fixture(scope="module")
def private(base):
    return Authority(base, "private")


@pytest.fixture(scope="module")
def stack(make_stack, authority):
    return make_stack(ca_file=authority.path)


@pytest.fixture(scope="module")
def start():
    """Makes peers that live as long as the module."""
    made = []

    def one(*args, **kw):
        made.append(Peer(*args, **kw))
        return made[-1]

    yield one
    for peer in made:
        peer.stop()


def set_columns(project, hook, **columns):
    """Before its first event: the sender reads a webhook when it first meets it."""
    sets = ", ".join(f"{name} = %s" for name in columns)
    project.stack.sql(f"UPDATE webhooks SET {sets} WHERE public_id = %s", [*columns.values(), public_id(project, hook)])


def public_id(project, hook):
    return project.stack.value("SELECT public_id::text FROM webhooks WHERE project_id = %s AND name = %s",
                               [project.number, hook["name"]])


def sealed(project, hook, column, plain):
    aad = f"webhooks|{column}|{public_id(project, hook)}|{project.number}"
    return seal(project.stack.base / "dlo.keys", aad, plain)


numbers = iter(range(1, 10000))


def make(project, url, ca=None, client=None, **fields):
    """A webhook of a unique event type, with authorities and a certificate of its own."""
    name = f"w{next(numbers)}"
    hook = project.webhook(url, name=name, eventTypes=[name], maxAttempts=1, timeoutMs=TIMEOUT_MS, **fields)
    columns = {}
    if ca:
        columns["tls_ca"] = ca.decode()
    if client:
        columns["tls_client_sealed"] = sealed(project, hook, "tls", b"".join(client))
    if columns:
        set_columns(project, hook, **columns)
    return hook


def send(project, hook):
    """One event to it; the delivery when it is over."""
    made = project.event(type=hook["name"])
    return project.wait_delivery(webhookId=hook["id"], eventId=made["eventId"], status="delivered,failed")


def outcome(delivery):
    attempt = delivery["attempts"][0]
    return delivery["status"], attempt.get("failureReason"), attempt["errorCode"]


# --- the receiver's certificate ----------------------------------------------------------------------------------------

LOCAL = {"addresses": ["127.0.0.1"], "hosts": ["localhost"]}
CERTIFICATES = {
    "good": (LOCAL, GOOD),
    "expired": ({**LOCAL, "begins": -2 * DAY, "ends": -HOUR}, REFUSED),
    "early": ({**LOCAL, "begins": HOUR}, REFUSED),
    "wrong-name": ({"hosts": ["example.com"], "addresses": ["127.0.0.2"]}, REFUSED),
    "nameless": ({}, REFUSED),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_certificate_that_somebody_vouches_for(project, start, authority, kind):
    content, expected = CERTIFICATES[kind]
    peer = start(authority.files(kind, **content))
    path = peer.path()
    assert outcome(send(project, make(project, peer.tls_url(path)))) == expected
    assert peer.count(path) == (1 if expected == GOOD else 0)


def test_name_is_what_the_certificate_must_say(project, start, authority):
    peer = start(authority.files("named", hosts=["localhost"]))
    assert outcome(send(project, make(project, peer.tls_url(peer.path(), host="localhost")))) == GOOD
    assert outcome(send(project, make(project, peer.tls_url(peer.path())))) == REFUSED


def test_plain_http_on_the_port_of_tls(project, start, authority):
    peer = start(authority.files("plain", **LOCAL))
    delivery = send(project, make(project, f"http://127.0.0.1:{peer.tls_port}/ok"))
    assert delivery["status"] == "failed"
    assert delivery["attempts"][0]["failureReason"] in ("connection_reset", "invalid_response")


# --- authorities of a webhook's own -------------------------------------------------------------------------------------


def test_private_authority_is_the_only_one(project, start, authority, private):
    inside = start(private.files("inside", **LOCAL))
    outside = start(authority.files("outside", **LOCAL))
    assert outcome(send(project, make(project, inside.tls_url(inside.path()), ca=private.pem))) == GOOD
    assert outcome(send(project, make(project, inside.tls_url(inside.path())))) == REFUSED
    assert outcome(send(project, make(project, outside.tls_url(outside.path()), ca=private.pem))) == REFUSED


def test_kept_connection_of_one_trust_does_not_serve_another(project, start, base, private):
    """All to one host and port, with a connection that is kept between."""
    other = Authority(base, "other")
    peer = start(private.files("shared", **LOCAL))
    path = peer.path()
    trusting = make(project, peer.tls_url(path), ca=private.pem)
    assert outcome(send(project, trusting)) == GOOD
    assert outcome(send(project, trusting)) == GOOD
    assert len({r.connection for r in peer.requests(path)}) == 1
    for ca in (None, other.pem):
        assert outcome(send(project, make(project, peer.tls_url(path), ca=ca))) == REFUSED
    assert peer.count(path) == 2


def test_authority_that_cannot_be_read_is_no_leave_to_trust(project, start, authority):
    peer = start(authority.files("garbled", **LOCAL))
    path = peer.path()
    assert outcome(send(project, make(project, peer.tls_url(path), ca=b"no PEM at all")))[:2] == ("failed", "tls")
    assert peer.count(path) == 0


# --- a certificate of ours ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asking(start, authority, private):
    """A receiver that wants a certificate of the private authority."""
    return start(authority.files("asking", **LOCAL), client_ca=private.path)


def told(delivery):
    return delivery["attempts"][0]["response"]["body"]


def test_client_certificate_is_shown(project, asking, private):
    hook = make(project, asking.tls_url(asking.path("/client-name")), client=private.issue("alice"))
    delivery = send(project, hook)
    assert outcome(delivery) == GOOD and told(delivery) == "alice"


# The receiver hangs up while our request is on its way: its reset may overtake its alert.
TURNED_AWAY = {("failed", "tls", "tls_alert"), ("failed", "connection_reset", "reset")}


def test_without_a_client_certificate_one_is_turned_away(project, asking):
    path = asking.path("/client-name")
    assert outcome(send(project, make(project, asking.tls_url(path)))) in TURNED_AWAY and asking.count(path) == 0


def test_stranger_is_turned_away(project, asking, authority):
    path = asking.path("/client-name")
    hook = make(project, asking.tls_url(path), client=authority.issue("mallory"))
    assert outcome(send(project, hook)) in TURNED_AWAY and asking.count(path) == 0


def test_client_certificate_that_cannot_be_used(project, asking, private):
    """A key of another certificate; a key behind a pass phrase that nobody could type."""
    cert, key = private.issue("alice")
    locked = with_pass_phrase(key)
    _, key = private.issue("bob")
    for pair in ((cert, key), (cert, locked), (b"nothing",)):
        hook = make(project, asking.tls_url(asking.path("/client-name")), client=pair)
        assert outcome(send(project, hook)) == ("failed", "tls", "tls_client_certificate")


def test_two_webhooks_to_one_receiver_are_never_taken_for_each_other(project, asking, private):
    """In turn, over connections that are kept and sessions that could be resumed."""
    path = asking.path("/client-name")
    hooks = {name: make(project, asking.tls_url(path), client=private.issue(name)) for name in ("carol", "dave")}
    hooks["nobody"] = make(project, asking.tls_url(path))
    for _ in range(3):
        for name in ("carol", "dave"):
            assert told(send(project, hooks[name])) == name
        assert outcome(send(project, hooks["nobody"]))[0] == "failed"
    requests = asking.requests(path)
    assert len(requests) == 6 and len({r.connection for r in requests}) == 2


def test_client_certificate_is_sealed_to_its_place(project, asking, private):
    """What cannot be opened is held: nothing leaves without it."""
    path = asking.path("/client-name")
    hook = make(project, asking.tls_url(path))
    elsewhere = seal(project.stack.base / "dlo.keys", "webhooks|tls|another|1", b"".join(private.issue("alice")))
    set_columns(project, hook, tls_client_sealed=elsewhere)
    project.event(type=hook["name"])
    eventually(lambda: "tls cannot be opened" in project.stack.processes["worker"].log.read_text())
    assert project.deliveries(webhookId=hook["id"], status="delivered,failed") == []


# --- the operator's bundle --------------------------------------------------------------------------------------------------


def cpu_seconds(stack):
    fields = open(f"/proc/{stack.worker_children()[0]}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_bundle_is_read_once(project, start, authority):
    """Fifty hosts, each with a connection of its own, while the file holds nothing any more."""
    hosts = [f"127.0.1.{n}" for n in range(1, 51)]
    peer = start(authority.files("many", addresses=["127.0.0.1", *hosts]), address="0.0.0.0")
    assert outcome(send(project, make(project, peer.tls_url(peer.path())))) == GOOD
    path = peer.path()
    for host in hosts:
        project.webhook(peer.tls_url(path, host=host), eventTypes=["many"], maxAttempts=1, timeoutMs=TIMEOUT_MS)
    bundle = authority.path.read_bytes()
    authority.path.write_bytes(b"")
    before = cpu_seconds(project.stack)
    try:
        project.event(type="many")
        eventually(lambda: len(peer.requests(path)) == 50)
        assert len({r.connection for r in peer.requests(path)}) == 50
        assert cpu_seconds(project.stack) - before < 0.6  # 0.06; 1.2 when it is read each time
    finally:
        authority.path.write_bytes(bundle)
