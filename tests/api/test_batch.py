"""POST /v1/events/batch: lines are judged one by one, stored in one transaction, answered in their order."""

import json

import pytest

STACK = {"worker": False}
GOOD = {"eventType": "t", "payload": {"a": 1}}


def ndjson(project, *lines):
    return project.post("/v1/events/batch", b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})


def line(**fields):
    return json.dumps({**GOOD, **fields}).encode()


def test_results_stand_in_order(project):
    project.webhook("https://example.com/", eventTypes=["yes"])
    got = project.post("/v1/events/batch", {"events": [{**GOOD, "eventType": t} for t in ("yes", "no", "yes")]})
    assert got.status == 200
    results = got.json()["results"]
    assert [r["index"] for r in results] == [0, 1, 2]
    assert [(r["status"], r["deliveries"]) for r in results] == [("accepted", 1), ("unroutable", 0), ("accepted", 1)]


def test_one_bad_line_is_rejected_and_the_rest_taken(project):
    got = project.post("/v1/events/batch", {"events": [GOOD, {"eventType": "t"}, GOOD]})
    assert got.status == 200
    first, bad, last = got.json()["results"]
    assert bad["index"] == 1 and bad["status"] == "rejected" and "eventId" not in bad
    assert bad["error"]["status"] == 400 and bad["error"]["errors"][0]["pointer"] == "/payload"
    assert project.rows("events") == 2
    assert first["eventId"] != last["eventId"]


def test_all_bad_is_still_200(project):
    got = project.post("/v1/events/batch", {"events": [1, "x", None, [], {}]})
    assert got.status == 200
    assert {r["status"] for r in got.json()["results"]} == {"rejected"}
    assert project.rows("events") == 0


def test_each_kind_of_bad_line(project):
    lines = [{"eventType": "t", "payload": 1, "channel": "$x"}, {"eventType": "t", "payload": 1, "evil": 1},
             {"eventType": "t", "payload": "x" * 262144}, {"eventType": "t", "payload": 1, "occurredAt": 5}]
    got = project.post("/v1/events/batch", {"events": lines}).json()["results"]
    assert [r["error"]["status"] for r in got] == [422, 400, 413, 400]
    assert [r["error"]["code"] for r in got][:2] == ["reserved-channel", "unknown-field"]


def test_empty_batch(project):
    got = project.post("/v1/events/batch", {"events": []})
    assert got.status == 200 and got.json() == {"results": []}


def test_thousand_events_are_taken(project):
    got = project.post("/v1/events/batch", {"events": [GOOD] * 1000})
    assert got.status == 200 and len(got.json()["results"]) == 1000
    assert project.rows("events") == 1000


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_1001_events_are_refused_whole(project, form):
    got = project.post("/v1/events/batch", {"events": [GOOD] * 1001}) if form == "json" else \
        ndjson(project, *[line()] * 1001)
    assert got.status == 413
    assert project.rows("events") == 0


def test_body_over_8_mib_is_413(project):
    big = {**GOOD, "payload": "x" * 250_000}
    got = project.post("/v1/events/batch", {"events": [big] * 34})
    assert got.status == 413 and got.headers["content-type"] == "application/problem+json"
    assert project.rows("events") == 0


def test_large_batch_within_8_mib_is_taken(project):
    big = {**GOOD, "payload": "x" * 250_000}
    assert project.post("/v1/events/batch", {"events": [big] * 30}).status == 200
    assert project.rows("events") == 30


@pytest.mark.parametrize("sent, code", [
    (b'{"events":[{"eventType":"t","payload":1}', None), (b'{"events":{}}', "wrong-type"), (b"{}", "missing-field"),
    (b'{"events":[],"more":1}', "unknown-field"), (b'{"events":[],"events":[]}', "duplicate-field"), (b"[1]", "wrong-type"),
    (b'{"events":[{"eventType":"t","payload":"\xff"}]}', None), (b'{"events":[' + b"[" * 10000, None),
])
def test_envelope_that_cannot_be_read_is_400(project, sent, code):
    got = project.post("/v1/events/batch", sent, headers={"Content-Type": "application/json"})
    assert got.status == 400, got
    assert code is None or got.code == code
    assert project.rows("events") == 0


def test_ndjson_lines(project):
    got = ndjson(project, line(), b"", b"not json", line(eventType="u") + b"\r", b'{"eventType":"t","payload":"\xff"}', b"  ")
    assert got.status == 200
    assert [r["status"] for r in got.json()["results"]] == ["unroutable", "rejected", "unroutable", "rejected"]
    assert [r["index"] for r in got.json()["results"]] == [0, 1, 2, 3]
    assert project.rows("events") == 2


def test_ndjson_payload_is_kept_byte_for_byte(project):
    payload = br'{"n":1.10,"big":12345678901234567890,"z":"\u0000"}'
    ndjson(project, b'{"eventType":"t","payload":' + payload + b"}")
    assert bytes(project.stack.value("SELECT payload FROM events WHERE project_id = %s", [project.number])) == payload


def test_batch_payloads_are_kept_byte_for_byte(project):
    payloads = [br'{"n":1.10}', b'"\\u0000"', b"12345678901234567890", b"[ ]"]
    events = b",".join(b'{"eventType":"t","payload":%s}' % p for p in payloads)
    assert project.post("/v1/events/batch", b'{"events":[' + events + b"]}",
                        headers={"Content-Type": "application/json"}).status == 200
    rows = project.stack.sql("SELECT payload FROM events WHERE project_id = %s ORDER BY id", [project.number])
    assert [bytes(row[0]) for row in rows] == payloads


def test_all_fields_of_a_line_are_kept(project):
    sent = {**GOOD, "channel": "orders", "customerExternalId": "c_42", "occurredAt": "2026-11-22T10:00:00.000Z",
            "metadata": {"source": "shop"}, "routingKey": "eu", "externalId": "x-1"}
    (made,) = project.post("/v1/events/batch", {"events": [sent]}).json()["results"]
    event = project.get(f"/v1/events/{made['eventId']}").json()
    for name in sent:
        if name != "payload":
            assert event[name] == sent[name], name


def test_too_many_deliveries_are_422_and_nothing_is_stored(project):
    for _ in range(11):
        project.webhook("https://example.com/")
    got = project.post("/v1/events/batch", {"events": [GOOD] * 1000})
    assert got.status == 422 and got.code == "fanout-too-large"
    assert project.rows("events") == project.rows("ready") == 0
    assert project.post("/v1/events/batch", {"events": [GOOD] * 900}).status == 200
    assert project.rows("ready") == 9900


def test_one_event_makes_at_most_10000_deliveries(project):
    hook = project.webhook("https://example.com/")
    copies = """INSERT INTO webhooks (public_id, project_id, shard, url, event_types, channels, customer_ids, header_names,
                  secret_sealed, timeout_ms, max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s,
                  enabled)
                SELECT gen_random_uuid(), project_id, n %% 64, url, event_types, channels, customer_ids, header_names,
                  secret_sealed, timeout_ms, max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s,
                  enabled FROM webhooks, generate_series(1, %s) n WHERE project_id = %s AND url = %s"""
    project.stack.sql(copies, [9999, project.number, hook["url"]])
    got = project.post("/v1/events", GOOD)
    assert got.status == 202 and got.json()["deliveries"] == project.rows("ready") == 10000
    project.webhook("https://example.com/")
    got = project.post("/v1/events", GOOD)
    assert got.status == 422 and got.code == "fanout-too-large"
    assert project.rows("events") == 1 and project.rows("ready") == 10000


def test_keys_of_a_batch_that_was_refused_whole_are_free(project):
    for _ in range(11):
        project.webhook("https://example.com/")
    events = [{**GOOD, "externalId": f"x{n}"} for n in range(1000)]
    assert project.post("/v1/events/batch", {"events": events}).status == 422
    assert project.rows("event_keys") == 0


def test_other_content_type_is_415(project):
    got = project.post("/v1/events/batch", b"{}", headers={"Content-Type": "text/csv"})
    assert got.status == 415 and "application/x-ndjson" in got.json()["detail"]


def test_delivery_of_ours_is_a_loop(project):
    got = project.post("/v1/events/batch", {"events": [GOOD]}, headers={"dlo-delivery-id": "x"})
    assert got.status == 409 and got.code == "delivery-loop"
