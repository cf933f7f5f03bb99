"""Signals: what a stop waits for and what not, and what a worker and the responders take over from a changed file."""

import json
import signal
import socket
import threading
import time

import pytest

from harness.dns import Dns
from harness.peer import Peer
from harness.process import ROOT, children
from harness.tls import Authority
from harness.wait import eventually, stays

STACK = {"senders": 2}


@pytest.fixture(autouse=True)
def whole(stack):
    """Each test begins with the settings, and the worker, of the module, and with nothing left over to send."""
    stack.configure()
    if "worker" not in stack.processes:
        stack.start_worker()
    elif stack.processes["worker"].alive():
        stack.processes["worker"].send(signal.SIGHUP)
    eventually(lambda: alive(stack) == 2 and shards(stack) == 64, 30)
    yield
    stack.sql("UPDATE webhooks SET enabled = false RETURNING id")
    if "worker" in stack.processes and not stack.processes["worker"].alive():
        stack.processes.pop("worker")


@pytest.fixture
def hanging():
    """A receiver that takes connections and says nothing; its port."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        kept = []
        threading.Thread(target=lambda: accept_all(door, kept), daemon=True).start()
        yield door.getsockname()[1]
    for one in kept:
        one.close()


def accept_all(door, kept):
    try:
        while True:
            kept.append(door.accept()[0])
    except OSError:
        pass


def alive(stack):
    return stack.value("SELECT count(*) FROM senders WHERE NOT leaving AND seen_at > clock_timestamp() - interval '10 s'")


def shards(stack):
    return stack.value("SELECT count(*) FROM shard_leases WHERE expires_at > clock_timestamp()")


QUICK_S = 8  # it takes 0.1 to 2.2; 10 when it waits for what does not end, and 11 when somebody has to be killed


def seconds_to_stop(stack, *signals):
    process = stack.processes["worker"]
    began = time.monotonic()
    for number in signals:
        process.send(number)
        time.sleep(0.05)
    assert process.child.wait(60) == 0
    assert children(process.pid) == []
    return time.monotonic() - began


def reload(stack, name="worker", old=None, new=None):
    """Writes the configuration, with a line changed, and waits until its supervisor has judged it: the new lines of its log."""
    text = stack.config.read_text()
    if old is not None:
        assert old in text
        stack.config.write_text(text.replace(old, new))
    return judged(stack, name)


def judged(stack, name):
    process = stack.processes[name]
    before = process.log.stat().st_size
    process.send(signal.SIGHUP)

    def said():
        text = process.log.read_bytes()[before:].decode()
        return ("was read again" in text or "is refused" in text) and text
    return eventually(said)


def senders_told(stack, since):
    return stack.processes["worker"].log.read_bytes()[since:].count(b"sender: configuration read again")


def reload_senders(stack, old, new, n=2):
    """The same until each sender has taken it over."""
    before = stack.processes["worker"].log.stat().st_size
    reload(stack, "worker", old, new)
    eventually(lambda: senders_told(stack, before) == n)


# --- stopping ---------------------------------------------------------------------------------------------------------

def test_stop_lets_requests_under_way_end_and_begins_no_other(stack, project, peer):
    base = peer.path("/delay/2000", record=False)
    project.webhook(peer.url(base), maxConcurrency=1)
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(5)]})
    eventually(lambda: peer.count(base) == 1)
    assert seconds_to_stop(stack, signal.SIGTERM) < QUICK_S
    assert peer.count(base) == 1
    assert len(project.deliveries(status="delivered")) == 1 and project.rows("ready") == 4
    assert shards(stack) == 0  # given back: nobody has to wait for them


def test_stop_gives_up_a_receiver_that_hangs_after_ten_seconds(stack, project, hanging):
    project.webhook(f"http://127.0.0.1:{hanging}/", timeoutMs=60000)
    project.event()
    eventually(lambda: under_way(stack) == 1)
    assert 9 < seconds_to_stop(stack, signal.SIGTERM) < 30  # not the 60 of its own
    assert project.rows("ready") == 1  # it is sent again by whoever comes next


def under_way(stack):
    text = stack.operator.get("/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("dlo_inflight{"))


def test_second_stop_does_not_wait(stack, project, hanging):
    project.webhook(f"http://127.0.0.1:{hanging}/", timeoutMs=60000)
    project.event()
    eventually(lambda: under_way(stack) == 1)
    assert seconds_to_stop(stack, signal.SIGTERM, signal.SIGTERM) < QUICK_S


def test_stop_with_nothing_to_do_is_quick(stack):
    assert seconds_to_stop(stack, signal.SIGTERM) < QUICK_S


def test_stop_while_the_database_refuses_the_statements(stack):
    """As a worker that is newer than the schema is: it connects, and nothing can be prepared."""
    process = stack.processes["worker"]
    stack.sql("ALTER TABLE shard_leases RENAME COLUMN epoch TO epoch_of_another_version")
    try:
        before = process.log.stat().st_size
        stack.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          f" WHERE datname = '{stack.database}' AND usename = 'dlo_worker'")
        eventually(lambda: b"set-up failed" in process.log.read_bytes()[before:])
        assert seconds_to_stop(stack, signal.SIGTERM) < QUICK_S
    finally:
        stack.sql("ALTER TABLE shard_leases RENAME COLUMN epoch_of_another_version TO epoch")


def test_stop_while_the_database_is_away(stack):
    process = stack.processes["worker"]
    before = process.log.stat().st_size
    stack.cluster.sql(f'ALTER DATABASE "{stack.database}" ALLOW_CONNECTIONS false')
    try:
        stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'")
        eventually(lambda: b"not currently accepting" in process.log.read_bytes()[before:])
        assert seconds_to_stop(stack, signal.SIGTERM) < QUICK_S
    finally:
        stack.cluster.sql(f'ALTER DATABASE "{stack.database}" ALLOW_CONNECTIONS true')


def test_stop_while_the_maintainer_waits_for_a_lock(stack):
    """libpq would wait for the answer: two seconds are enough, the server ends the statement without us."""
    with stack.connect() as other:
        other.execute("BEGIN; LOCK TABLE dlq_deltas IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: stack.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dlo-maintainer'"
                                       " AND wait_event_type = 'Lock'"))
        assert seconds_to_stop(stack, signal.SIGTERM) < QUICK_S
        other.rollback()


# --- the worker's SIGHUP ----------------------------------------------------------------------------------------------

def steady(project, stopped):
    n = 0
    while not stopped.is_set():
        sent = {"events": [{"eventType": "t", "payload": n} for _ in range(5)]}
        if project.post("/v1/events/batch", sent).status in (200, 202, 207):
            n += 5
        time.sleep(0.02)
    return n


class Load:
    """Events all the time, to a number of webhooks; `sent` deliveries when it has ended."""

    def __init__(self, project, peer, hooks=16):
        self.base = peer.path("/delay/20", record=False)
        for n in range(hooks):
            project.webhook(peer.url(f"{self.base}/{n}"))
        self.hooks, self.project, self.stopped = hooks, project, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        self.sent = self.hooks * steady(self.project, self.stopped)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def arrived_once(project, peer, load):
    eventually(lambda: project.rows("ready") == 0, 30)
    got = peer.control("count", prefix=load.base, ids="no")
    return (got["deliveries"], got["requests"]) == (load.sent, load.sent) or (got, load.sent)


def test_more_and_fewer_senders_lose_and_repeat_nothing(stack, project, peer):
    with Load(project, peer) as load:
        for n in (4, 1, 3, 2):
            line = next(s for s in stack.config.read_text().splitlines() if s.startswith("senders ="))
            reload(stack, "worker", line, f"senders = {n}")
            eventually(lambda: alive(stack) == n and len(set(owners(stack))) == n)
            eventually(lambda: max(owners(stack).values()) - min(owners(stack).values()) <= 1)
    assert arrived_once(project, peer, load) is True
    assert len(stack.worker_children()) == 3


def owners(stack):
    return dict(stack.sql("SELECT owner, count(*) FROM shard_leases WHERE expires_at > clock_timestamp() GROUP BY 1"))


def test_surplus_sender_waits_for_its_slow_receivers(stack, project, peer):
    """Longer than a stop would: nobody waits for it, and giving up would send twice."""
    base = peer.path("/delay/12000", record=False)
    for n in range(8):
        project.webhook(peer.url(f"{base}/{n}"), timeoutMs=30000)
    project.event()
    eventually(lambda: peer.count(base) == 8)
    reload(stack, "worker", "senders = 2", "senders = 1")
    eventually(lambda: len(project.deliveries(status="delivered")) == 8, 30)
    eventually(lambda: len(stack.worker_children()) == 2)
    assert peer.count(base) == 8


def pids(stack):
    return sorted(pid for pid, in stack.sql("SELECT pid FROM senders"))


def test_senders_stay_the_same_processes(stack):
    before = pids(stack)
    reload_senders(stack, "senders = 2", "senders = 2\nbreaker_requests = 7")
    assert pids(stack) == before


def test_networks_are_judged_anew(stack, project, peer):
    """Also for webhooks and connections that are in use, and for webhooks that were refused."""
    path, later = peer.path("/ok"), peer.path("/ok")
    project.webhook(peer.url(path))
    project.event()
    peer.wait(path)
    reload_senders(stack, 'allow_nets = "127.0.0.0/8"', 'allow_nets = ""')
    project.webhook(peer.url(later))  # the responders know nothing of it
    project.event()
    eventually(lambda: len(project.entries(failureReason="address_refused")) == 2)
    assert len(peer.requests(path)) == 1 and not peer.requests(later)
    reload_senders(stack, 'allow_nets = ""', 'allow_nets = "127.0.0.0/8"')
    project.event()
    assert len(peer.wait(path, 2)) == 2 and len(peer.wait(later)) == 1


def test_name_servers(stack, project, peer):
    """What was known of a name counts no more, also that it does not exist."""
    before, after = Dns(), Dns()
    try:
        after.zone("moved.example.com", "127.0.0.1")
        reload_senders(stack, 'dns_servers = ""', f'dns_servers = "127.0.0.1:{before.port}"')
        path = peer.path("/ok")
        project.webhook(f"http://moved.example.com:{peer.port}{path}", maxAttempts=1)
        project.event()
        assert project.wait_entry()["failureReason"] == "dns"
        reload_senders(stack, f"127.0.0.1:{before.port}", f"127.0.0.1:{after.port}")
        project.event()
        peer.wait(path)
    finally:
        before.stop()
        after.stop()


def test_authorities(stack, project, tmp_path_factory):
    """Read anew from another file, and from the same one when it has changed."""
    directory = tmp_path_factory.mktemp("ca")
    directory.chmod(0o755)
    directory.parent.chmod(0o755)
    good, other = Authority(directory, "good"), Authority(directory, "other")
    peer = Peer(certificate=good.files("receiver", addresses=["127.0.0.1"]))
    try:
        project.webhook(peer.tls_url("/ok"), retrySchedule=[1], maxAttempts=20)
        bundle = stack.base / "bundle.pem"
        bundle.write_bytes(other.pem)
        bundle.chmod(0o644)
        reload_senders(stack, f'ca_file = "{stack.options["ca_file"]}"', f'ca_file = "{bundle}"')
        project.event()
        eventually(lambda: project.rows("attempts") >= 2 and project.rows("later") == 1)
        assert not project.deliveries(status="delivered")
        bundle.write_bytes(good.pem)
        reload_senders(stack, "", "")
        eventually(lambda: project.deliveries(status="delivered"))
    finally:
        peer.stop()


def test_breaker_settings(stack, project, peer):
    hook = project.webhook(peer.url(peer.path("/status/500")), retrySchedule=[1], maxAttempts=10)
    reload_senders(stack, "senders = 2", "senders = 2\nbreaker_requests = 3\nbreaker_cooldown = 200")
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(6)]})
    eventually(lambda: project.get(f"/v1/webhooks/{hook['id']}/health").json()["circuit"]["state"] == "open")


def test_address_caps(stack, project, peer):
    reload_senders(stack, "senders = 2", "senders = 2\naddress_concurrency = 1\naddress_caps_allowed = true")
    base = peer.path("/delay/150", record=False)
    for n in range(6):
        project.webhook(peer.url(f"{base}/{n}"))
    began = time.monotonic()
    project.event()
    eventually(lambda: len(project.deliveries(status="delivered")) == 6)
    assert time.monotonic() - began > 0.3  # two senders with one at a time: three after each other, not six at once


def test_log_level_and_format(stack, project, peer):
    """Deliveries that arrive are told at the level debug only."""
    project.webhook(peer.url(peer.path("/ok")))
    reload_senders(stack, 'log_level = "info"', 'log_level = "debug"')
    reload_senders(stack, 'log_format = "text"', 'log_format = "json"')
    before = stack.processes["worker"].log.stat().st_size
    project.event()
    lines = eventually(lambda: [line for line in stack.processes["worker"].log.read_bytes()[before:].splitlines()
                                if b"outcome=delivered" in line])
    assert json.loads(lines[0])["level"] == "debug"


BAD = [
    ('allow_nets = "127.0.0.0/8"', 'allow_nets = "127.0.0.1/8"', "allow_nets: "),
    ('dns_servers = ""', 'dns_servers = "nonsense"', "dns_servers: "),
    ('log_level = "info"', 'log_level = "loud"', "log_level must be one of debug info warn error"),
    ("senders = 2", "senders = 65", "senders must be between 1 and 64, not 65"),
    ("senders = 2", "senders = 2\nsendres = 3", "no such option 'sendres'"),
    ('ca_file = "/', 'ca_file = "/nowhere/', "ca_file '/nowhere/"),
    ("senders = 2", "senders = 2 }", "conf:"),
]


@pytest.mark.parametrize("old, new, line", BAD, ids=[new.splitlines()[-1] for _, new, _ in BAD])
def test_bad_file_is_refused_and_the_old_settings_stay(stack, old, new, line):
    before = pids(stack)
    said = reload(stack, "worker", old, new)
    assert line in said and "is refused: the settings stay as they were" in said and "was read again" not in said
    stays(lambda: pids(stack) == before, 0.3)


def test_file_that_is_gone_is_refused(stack):
    stack.config.rename(stack.base / "moved")
    try:
        assert "cannot read configuration" in judged(stack, "worker")
    finally:
        (stack.base / "moved").rename(stack.config)


def test_what_takes_a_restart_is_said(stack):
    old = next(line for line in stack.config.read_text().splitlines() if line.startswith("dsn_worker"))
    said = reload(stack, "worker", old, 'dsn_worker = "postgresql://nobody:secret@/nothing"')
    assert "dsn_worker was changed: that takes a restart" in said and "was read again" in said
    assert "secret" not in said
    eventually(lambda: alive(stack) == 2)


# --- the responders' SIGHUP -------------------------------------------------------------------------------------------

def roles(stack):
    return len(children(stack.processes["fcgi"].pid))


def test_responders_are_replaced_and_nobody_is_refused(stack, project):
    stopped, answers = threading.Event(), []

    def ask():
        while not stopped.is_set():
            answers.append(project.get("/v1/webhooks").status)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for n in (3, 1, 4, 2):
            before = set(children(stack.processes["fcgi"].pid))
            line = next(s for s in stack.config.read_text().splitlines() if s.startswith("intake ="))
            reload(stack, "fcgi", line, f"intake = {n}")
            eventually(lambda: roles(stack) == n + 3 and not before & set(children(stack.processes["fcgi"].pid)))
            asked = len(answers)
            eventually(lambda: len(answers) > asked + 10)
    finally:
        stopped.set()
        for t in threads:
            t.join()
    assert set(answers) == {200}


def test_responders_judge_urls_by_the_new_networks(stack, project, peer):
    reload(stack, "fcgi", 'allow_nets = "127.0.0.0/8"', 'allow_nets = ""')
    eventually(lambda: project.post("/v1/webhooks", {"url": peer.url("/ok")}).status == 422)
    reload(stack, "fcgi", 'allow_nets = ""', 'allow_nets = "127.0.0.0/8"')
    eventually(lambda: project.post("/v1/webhooks", {"url": peer.url("/ok")}).status == 201)


def test_responders_refuse_a_bad_file(stack, project):
    before = set(children(stack.processes["fcgi"].pid))
    said = reload(stack, "fcgi", 'allow_nets = "127.0.0.0/8"', 'allow_nets = "nonsense"')
    assert "allow_nets: " in said and "is refused" in said
    assert set(children(stack.processes["fcgi"].pid)) == before and project.get("/v1/webhooks").status == 200


def test_units_reload():
    for unit in ("dlo-worker", "dlo-fcgi"):
        assert "ExecReload=/bin/kill -HUP $MAINPID" in (ROOT / "conf/systemd" / f"{unit}.service").read_text()
