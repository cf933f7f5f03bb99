"""/metrics by stage: what waits, what is held and why, what is under way, what was written, shards, names, and the log."""

import collections
import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.dns import Dns
from harness.process import ROOT
from harness.wait import eventually

TENANTS = 5
HOOKS = 60  # of each


@pytest.fixture(scope="module")
def dns():
    one = Dns()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def stack(make_stack, dns):
    return make_stack(senders=1, dns_servers=f"127.0.0.1:{dns.port}", more="breaker_requests = 3\nbreaker_cooldown = 300")


def page(stack):
    got = stack.operator.get("/metrics")
    assert got.status == 200
    return got.body.decode()


def families(stack):
    return list(text_string_to_metric_families(page(stack)))


def value(stack, name, **labels):
    """Over all senders and the labels that were not given."""
    found = [s.value for f in families(stack) for s in f.samples
             if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]
    assert found, name
    return sum(found)


def by(stack, name, label):
    found = collections.Counter()
    for f in families(stack):
        for s in f.samples:
            if s.name == name:
                found[s.labels[label]] += s.value
    return dict(found)


def documented():
    """{name: (type, labels, meaning)} of docs/METRICS.md."""
    rows = re.findall(r"^\| `(dlo_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", (ROOT / "docs/METRICS.md").read_text(), re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels)), help) for name, kind, labels, help in rows}


def closed_sets():
    """{label: values} as docs/METRICS.md lists them, where it does."""
    text = (ROOT / "docs/METRICS.md").read_text().split("## What comes in")[0]
    return {label: set(re.findall(r"`(\w+)`", values)) - {"dlo_requests_total", "dlo_held_destinations"}
            for label, values in re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)}


def waits_for(project, peer, events=3, mode="/ok", **fields):
    """A webhook with an event type of its own, whose events of that type are its own as well."""
    hook = project.webhook(peer.url(peer.path(mode)), eventTypes=[f"only.{len(project.get('/v1/webhooks').json()['data'])}"],
                           **fields)
    return hook, lambda n=events: [project.event(type=hook["eventTypes"][0]) for _ in range(n)]


def test_every_series_has_help_and_type_before_it(stack, project, peer):
    project.webhook(peer.url(peer.path("/status/500")), retrySchedule=[600])
    project.event()
    eventually(lambda: "dlo_attempt_failures_total{" in page(stack))
    told = {}
    for line in page(stack).splitlines():
        if line.startswith("# "):
            _, what, name, text = line.split(" ", 3)
            assert (what, name) not in told and text
            told[what, name] = text
            continue
        name = re.match(r"\w+", line)[0]
        family = name if ("TYPE", name) in told else re.sub(r"_(bucket|sum|count)$", "", name)
        assert told["HELP", family].endswith(".") and told["TYPE", family] in ("counter", "gauge", "histogram"), line


def test_documentation_and_page_tell_the_same(stack):
    text = page(stack)
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
    types = dict(re.findall(r"^# TYPE (\w+) (.*)$", text, re.M))
    labels = collections.defaultdict(set)
    for f in text_string_to_metric_families(text):
        for s in f.samples:
            name = s.name if s.name in types else re.sub(r"_(bucket|sum|count)$", "", s.name)
            labels[name] |= set(s.labels) - {"le"}
    assert {n: (types[n], labels[n], helps[n]) for n in types} == documented()


def test_labels_have_the_values_that_are_documented(stack):
    known = closed_sets()
    for f in families(stack):
        for s in f.samples:
            for label, text in s.labels.items():
                if label in ("sender", "host", "le", "reason") or (label, s.name) == ("class", "dlo_requests_total"):
                    continue
                assert text in known[label], s


def test_series_do_not_grow_with_tenants_and_webhooks(stack, peer):
    def count():
        return collections.Counter(s.name for f in families(stack) for s in f.samples if s.name != "dlo_attempt_failures_total")
    eventually(lambda: "dlo_destinations{" in page(stack))  # from the first renewal of a lease on
    before = count()
    base = peer.path("/ok", record=False)
    for tenant in range(TENANTS):
        project = stack.project()
        for n in range(HOOKS):
            project.webhook(peer.url(f"{base}/{tenant}/{n}"))
        project.event()
    eventually(lambda: peer.count(base) == TENANTS * HOOKS, 30)
    eventually(lambda: value(stack, "dlo_destinations") >= TENANTS * HOOKS)
    assert count() == before
    assert not re.search(r"(prj|whk|evt|dlv|dlq)_[0-9a-z]{26}", page(stack)) and "127.0.0.1" not in page(stack)


def test_held_by_cause(stack, project, peer):
    assert set(by(stack, "dlo_held", "cause").values()) == {0}
    paused, send_paused = waits_for(project, peer)
    disabled, send_disabled = waits_for(project, peer)
    _, send_broken = waits_for(project, peer, mode="/status/404", maxConcurrency=1)
    _, send_blocked = waits_for(project, peer, mode="/status/503?retry-after=3600", maxConcurrency=1)
    for hook in (paused, disabled):
        assert project.post(f"/v1/webhooks/{hook['id']}/pause").status == 200
    send_paused(3), send_disabled(2)
    assert project.patch(f"/v1/webhooks/{disabled['id']}", {"enabled": False}, headers={"If-Match": "*"}).status == 200
    send_broken(10)
    eventually(lambda: project.rows("breakers") == 1)
    send_blocked(1)
    eventually(lambda: project.rows("later") == 1)
    send_blocked(4)

    def held():
        left = project.rows("ready") - 9
        assert by(stack, "dlo_held", "cause") == {"paused": 3, "disabled": 2, "circuit": left, "retry_after": 4}
        return left > 0
    eventually(held)
    assert value(stack, "dlo_circuits", state="open") == 1
    assert by(stack, "dlo_held_destinations", "cause") == \
        {"deleted": 0, "disabled": 1, "paused": 1, "circuit": 1, "retry_after": 1, "rate": 0}
    assert value(stack, "dlo_due") >= project.rows("ready") and value(stack, "dlo_oldest_due_seconds") > 0
    assert value(stack, "dlo_circuit_changes_total", to="open") == 1


def test_under_way_by_class_and_standing(stack, project, peer):
    base = peer.path("/delay/4000", record=False)
    for n in range(3):
        project.webhook(peer.url(f"{base}/{n}"))
    project.event(payload={"x": "y" * 100})
    eventually(lambda: peer.count(base) == 3)
    eventually(lambda: by(stack, "dlo_inflight", "class") == {"live": 3, "retry": 0, "replay": 0})
    standing = by(stack, "dlo_inflight_standing", "standing")
    assert sum(standing.values()) == standing["unproven"] + standing["slow"] == 3
    assert value(stack, "dlo_inflight_bytes") == 3 * len(json.dumps({"x": "y" * 100}))
    eventually(lambda: value(stack, "dlo_inflight") == 0)


def test_batches_of_completions(stack):
    batches = value(stack, "dlo_completion_batches_total")
    assert value(stack, "dlo_completion_batch_size_count") == batches > 0
    assert value(stack, "dlo_completion_batch_size_sum") == value(stack, "dlo_completion_results_total")
    assert value(stack, "dlo_completion_duration_seconds_count") == batches
    assert value(stack, "dlo_outcomes_waiting") == 0


def test_shards_and_senders(stack):
    assert by(stack, "dlo_shards", "state") == {"held": 64, "draining": 0} and value(stack, "dlo_leases") == 64
    assert by(stack, "dlo_shard_changes_total", "how") == {"taken": 64, "released": 0, "lost": 0}
    assert value(stack, "dlo_senders") == value(stack, "dlo_sender_info") == 1


def test_names(stack, project, peer, dns):
    dns.zone("good.example.com", "127.0.0.1", ttl=300)
    dns.zone("broken.example.com", rcode="SERVFAIL")
    for host in ("good", "missing", "broken"):
        project.webhook(f"http://{host}.example.com:{peer.port}/ok", eventTypes=[host], retrySchedule=[600])
    for _ in range(2):
        project.event(type="good")
        eventually(lambda: project.rows("ready") == 0)
    project.event(type="missing")
    project.event(type="broken")
    eventually(lambda: by(stack, "dlo_name_answers_total", "answer") ==
               {"addresses": 1, "refused": 0, "no_name": 1, "servfail": 1, "timeout": 0})
    assert value(stack, "dlo_name_lookups_total") == 3 == value(stack, "dlo_names")
    assert value(stack, "dlo_name_hits_total") >= 4


def test_notices_that_wait(stack, project):
    with stack.connect() as other:
        other.execute("BEGIN; LOCK TABLE dlq_deltas IN ACCESS EXCLUSIVE MODE")  # the maintainer waits there
        eventually(lambda: stack.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dlo-maintainer'"
                                       " AND wait_event_type = 'Lock'"))
        stack.sql("INSERT INTO notices (project_id, type) SELECT %s, 'test' FROM generate_series(1, 5)", [project.number])
        told = stack.value("SELECT count(*) FROM notices")
        stack.sql("DELETE FROM notices WHERE type = 'test'")
        other.rollback()
    assert told == 5 and value(stack, "dlo_notices_waiting") == 0


def test_line_of_the_log(stack, project, peer):
    """The last one, which comes when a sender ends, has all that a line a minute has."""
    project.webhook(peer.url(peer.path("/ok")))
    project.event()
    eventually(lambda: project.deliveries(status="delivered"))
    log = stack.processes["worker"].log
    stack.stop_process("worker")
    line = next(line for line in reversed(log.read_text().splitlines()) if ": minute " in line)
    found = dict(word.split("=") for word in line.split(": minute ")[1].split())
    text = " ".join((ROOT / "docs/METRICS.md").read_text().split())
    assert list(found) == re.search(r"`minute ([^`]*)=`", text)[1].split("= ")
    assert int(found["delivered"]) > 0 and found["waiting"] == "0" and all(re.fullmatch(r"\d+", v) for v in found.values())
