"""/metrics, read by Prometheus' own parser: what the senders counted is there, in order and in bounds."""

import collections

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.wait import eventually

STACK = {"senders": 2}
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, float("inf")]
HISTOGRAMS = ["dlo_attempt_duration_seconds", "dlo_attempt_first_byte_seconds"]
CLOSED = {
    "outcome": {"delivered", "tempfail", "permfail"},
    "class": {"live", "retry", "replay"},
    "reason": {"timeout", "http_5xx", "http_4xx", "http_429", "http_408", "redirect", "connection_refused",
               "connection_reset", "dns", "tls", "network", "address_refused", "response_too_large", "invalid_response",
               "retries_exhausted", "circuit_open", "payload_rejected", "payload_too_large", "endpoint_disabled",
               "transform_failed", "internal"},
}


def families(stack):
    got = stack.operator.get("/metrics")
    assert got.status == 200
    return list(text_string_to_metric_families(got.body.decode()))


def samples(stack, name, **labels):
    return [s for f in families(stack) for s in f.samples
            if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]


def total(stack, name, **labels):
    """Over all senders."""
    return sum(s.value for s in samples(stack, name, **labels))


@pytest.fixture(scope="module")
def counted(stack, peer):
    """Four deliveries that arrive, two that fail for good, one that is tried twice, one without any answer."""
    project = stack.project()
    # tried again at once, and not blocked between: attempts of every outcome
    for kind, mode, n in (("fine", "/ok", 4), ("refused", "/status/404", 2), ("broken", "/status/503", 1),
                          ("silent", "/close", 1)):
        project.webhook(peer.url(peer.path(mode)), eventTypes=[kind], retrySchedule=[1],
                        maxAttempts=2 if kind == "broken" else 1)
        for _ in range(n):
            project.event(type=kind)
    eventually(lambda: len(project.deliveries(status="delivered,failed")) == 8)
    eventually(lambda: total(stack, "dlo_attempts_total") == 9)  # told with the next renewal of a lease
    return stack


def test_attempts_by_outcome(counted):
    assert {o: total(counted, "dlo_attempts_total", outcome=o) for o in CLOSED["outcome"]} == \
        {"delivered": 4, "tempfail": 1, "permfail": 4}
    assert total(counted, "dlo_attempts_total", **{"class": "retry"}) == 1


def test_failures_by_reason(counted):
    found = collections.Counter()
    for s in samples(counted, "dlo_attempt_failures_total"):
        found[s.labels["reason"]] += s.value
    assert found == {"http_4xx": 2, "http_5xx": 2, "connection_reset": 1}


def test_latency_of_every_attempt_and_first_byte_of_those_answered(counted):
    assert [total(counted, f"{name}_count") for name in HISTOGRAMS] == [9, 8]
    assert all(0 < total(counted, f"{name}_sum") < 60 for name in HISTOGRAMS)


def test_families_come_once_and_have_their_type(counted):
    found = families(counted)
    names = [f.name for f in found]
    assert len(names) == len(set(names))
    types = {f.name: f.type for f in found}
    assert all(types[name] == "histogram" for name in HISTOGRAMS)
    assert types["dlo_attempts"] == types["dlo_attempt_failures"] == "counter" and types["dlo_inflight"] == "gauge"


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_buckets_are_in_order_and_add_up(counted, name):
    """As the text format wants them; the order is that of the page."""
    by_sender = collections.defaultdict(list)
    for s in samples(counted, f"{name}_bucket"):
        by_sender[s.labels["sender"]].append((float(s.labels["le"]), s.value))
    assert len(by_sender) == 2
    for sender, buckets in by_sender.items():
        assert [le for le, _ in buckets] == BOUNDS
        values = [value for _, value in buckets]
        assert values == sorted(values) and values[-1] == total(counted, f"{name}_count", sender=sender)


def test_labels_are_of_closed_sets(counted):
    """How many series there are is decided by us, never by tenants or receivers."""
    told = [s for f in families(counted) for s in f.samples if "sender" in s.labels]
    for s in told:
        for label, values in CLOSED.items():
            assert s.labels.get(label) is None or s.labels[label] in values, s
    told = [s for s in told if s.name != "dlo_sender_info"]  # before the first renewal there is nothing else
    per_sender = collections.Counter(s.labels["sender"] for s in told)
    assert len(per_sender) == 2 and all(n < 160 for n in per_sender.values()), per_sender
