"""What a receiver gets: the bytes, the headers, signatures that the public verifier accepts."""

import base64
import re
import time

import pytest

from harness.wait import eventually
from worker_helpers import verify


def test_signature_is_accepted_by_the_public_verifier(project, peer):
    path = peer.path()
    hook = project.webhook(peer.url(path))
    project.event(payload={"id": "ord_1", "z": "ü"})
    verify(hook["secret"], peer.wait(path)[0])


def test_signature_with_ones_own_secret(project, peer):
    path = peer.path()
    secret = "whsec_" + base64.b64encode(bytes(range(24))).decode()
    project.webhook(peer.url(path), secret=secret)
    project.event()
    verify(secret, peer.wait(path)[0])


def test_altered_body_is_not_accepted(project, peer):
    path = peer.path()
    hook = project.webhook(peer.url(path))
    project.event()
    request = peer.wait(path)[0]
    request.body += b" "
    with pytest.raises(Exception, match="signature"):
        verify(hook["secret"], request)


def test_both_secrets_sign_during_a_rotation(project, peer):
    path = peer.path()
    hook = project.webhook(peer.url(path))
    rotated = project.post(f"/v1/webhooks/{hook['id']}/rotate-secret").json()
    project.event()
    request = peer.wait(path)[0]
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    verify(rotated["secret"], request)
    verify(hook["secret"], request)


def test_old_secret_signs_no_more_after_the_grace_time(project, peer, clock):
    path = peer.path()
    hook = project.webhook(peer.url(path))
    rotated = project.post(f"/v1/webhooks/{hook['id']}/rotate-secret", {"graceSeconds": 600}).json()
    clock("601 seconds")
    project.patch(f"/v1/webhooks/{hook['id']}", {"name": "settings are read anew"}, headers={"If-Match": "*"})
    project.event()
    request = peer.wait(path)[0]
    assert len(request.headers["webhook-signature"].split(" ")) == 1
    verify(rotated["secret"], request)


def test_header_set(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), headers={"X-Token": "s3cret", "x-tab": "a\tb"})
    made = project.event(type="order.paid", channel="orders", payload={"a": 1})
    request = peer.wait(path)[0]
    delivery = project.wait_delivery(eventId=made["eventId"], status="delivered")
    expected = {"content-type": "application/json", "webhook-id": made["eventId"], "dlo-delivery-id": delivery["id"],
                "dlo-attempt": "1", "dlo-event-type": "order.paid", "dlo-channel": "orders", "x-token": "s3cret",
                "x-tab": "a\tb", "content-length": "8", "host": f"127.0.0.1:{peer.port}"}
    assert request.method == "POST"
    assert {k: request.headers.get(k) for k in expected} == expected
    assert re.match(r"^dlo/\d+\.\d+\.\d+$", request.headers["user-agent"])
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 30
    known = set(expected) | {"user-agent", "webhook-timestamp", "webhook-signature", "accept"}
    assert set(request.headers) <= known and len(request.header_list) == len(request.headers)


def test_what_is_ours_alone_is_not_sent(project, peer):
    path = peer.path()
    project.webhook(peer.url(path))
    project.event(metadata={"k": "secret-meta"}, routingKey="secret-route", externalId="secret-ext",
                  customerExternalId="secret-customer")
    assert "secret" not in str(peer.wait(path)[0].header_list)


def test_header_values_are_not_in_attempts(project, peer):
    entry = project.dead_letter(peer, hook={"headers": {"X-Token": "s3cret"}})
    assert "s3cret" not in str(entry) and "s3cret" not in str(project.delivery(entry["deliveryId"]))


def test_query_values_of_the_url_are_redacted(project, peer):
    path = peer.path("/status/400?body=x&token=s3cret")
    project.webhook(peer.url(path))
    project.event()
    entry = project.wait_entry()
    assert "s3cret" not in str(entry)
    assert "s3cret" in peer.wait(path)[0].path


@pytest.mark.parametrize("size", [4096, 4097, 200 * 1024, 256 * 1024])
def test_large_payload_arrives_whole(project, peer, size):
    path = peer.path()
    hook = project.webhook(peer.url(path))
    payload = b'"' + b"x" * (size - 2) + b'"'
    got = project.post("/v1/events", b'{"eventType":"t","payload":' + payload + b"}",
                       headers={"Content-Type": "application/json"})
    assert got.status == 202
    request = peer.wait(path)[0]
    assert request.body == payload
    verify(hook["secret"], request)


def test_one_event_to_many_webhooks(project, peer):
    paths = [peer.path() for _ in range(20)]
    for path in paths:
        project.webhook(peer.url(path))
    made = project.event()
    assert made["deliveries"] == 20
    requests = [peer.wait(path)[0] for path in paths]
    assert {r.headers["webhook-id"] for r in requests} == {made["eventId"]}
    assert len({r.headers["dlo-delivery-id"] for r in requests}) == 20


def test_thousand_events_arrive_once_each(project, peer):
    path = peer.path("/ok", record=False)
    project.webhook(peer.url(path))
    got = project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(1000)]}).json()
    eventually(lambda: peer.count(path) >= 1000, 30)
    seen = peer.ids(path)
    assert set(seen) == {r["eventId"] for r in got["results"]} and set(seen.values()) == {1}


def test_connections_are_reused(project, peer):
    path = peer.path()
    project.webhook(peer.url(path), maxConcurrency=1)
    for n in range(20):
        project.event(payload=n)
    requests = peer.wait(path, 20)
    assert len({r.connection for r in requests}) <= 2


def test_at_most_max_concurrency_are_under_way(project, peer):
    path = peer.path("/delay/300", record=False)
    project.webhook(peer.url(path), maxConcurrency=2)
    started = time.monotonic()
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(6)]})
    eventually(lambda: len(project.deliveries(status="delivered")) == 6)
    assert time.monotonic() - started > 0.85


def test_accepted_events_are_sent_soon(project, peer):
    """The wake-up works: without it a sender looks once a second, and whoever sends when the last one has just come waits
    for all of it. Of ten the third best is looked at: a machine that stalls now and then lets as many through."""
    path = peer.path()
    project.webhook(peer.url(path))
    project.event()
    peer.wait(path)
    waits = []
    for n in range(10):
        began = time.monotonic()
        project.event(payload=n)
        peer.wait(path, n + 2)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[2] < 0.6, waits  # 0.99 without it


def test_localhost_is_reached_by_name(project, peer):
    path = peer.path()
    project.webhook(f"http://localhost:{peer.port}{path}")
    project.event()
    assert peer.wait(path)[0].headers["host"] == f"localhost:{peer.port}"


def test_long_writer_in_another_database_delays_nothing(stack, project, peer):
    """It holds the oldest snapshot of the whole cluster; a mark on positions would wait for its end, and that is behind us."""
    path = peer.path()
    project.webhook(peer.url(path))
    with stack.cluster.connect("cluster", "postgres", autocommit=False) as other:
        other.execute("CREATE TEMP TABLE held (x int)")
        for n in range(20):
            project.event(payload=n)
        peer.wait(path, 20)
        other.rollback()


def test_long_writer_on_the_queue_itself_loses_nothing(stack, project, peer):
    """An intake that has not committed yet holds nobody up, and its own event comes when it has."""
    path = peer.path()
    project.webhook(peer.url(path))
    project.event(payload=0)
    peer.wait(path)
    with stack.cluster.connect("cluster", stack.database, autocommit=False) as slow:
        slow.execute("CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT e.* FROM events e WHERE project_id = %s",
                     [project.number])
        slow.execute("UPDATE mine SET id = gen_random_uuid(), payload = '\"late\"'; INSERT INTO events SELECT * FROM mine")
        slow.execute("""INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                          delivery_id, event_id, created_at, ready_at)
                        SELECT w.shard, w.project_id, w.id, 6, m.drawer, 0, 0, 0, gen_random_uuid(), m.id, m.created_at,
                               m.created_at
                          FROM mine m JOIN webhooks w USING (project_id) WHERE w.project_id = %s""", [project.number])
        for n in range(10):
            project.event(payload=n)
        assert len(peer.wait(path, 11)) == 11
        slow.commit()
    assert peer.wait(path, 12)[-1].body == b'"late"'
