"""POST /v1/events and GET /v1/events/{id}: what is taken, byte for byte, and what is refused with the field's name."""

import gzip
import json
import re
import socket

import pytest

from harness.client import raw
from harness.wait import eventually

EVT = re.compile(r"^evt_[0-9a-hjkmnp-tv-z]{26}$")
VERBATIM = br'{"n":1.10,"big":12345678901234567890,"z":"\u0000"}'


def body(**fields):
    return {"eventType": "order.paid", "payload": {"a": 1}, **fields}


def post_bytes(project, data, **headers):
    return project.post("/v1/events", data, headers={"Content-Type": "application/json", **headers})


def envelope(payload, more=b""):
    return b'{"eventType":"order.paid","payload":' + payload + more + b"}"


def test_accepted_names_event_and_deliveries(project, peer):
    project.webhook(peer.url(peer.path()))
    got = project.post("/v1/events", body())
    assert got.status == 202
    assert EVT.match(got.json()["eventId"])
    assert {k: v for k, v in got.json().items() if k != "eventId"} == {"status": "accepted", "deliveries": 1}


def test_unroutable_is_accepted_with_a_warning(project):
    got = project.post("/v1/events", body())
    assert got.status == 202
    assert got.json()["status"] == "unroutable" and got.json()["deliveries"] == 0 and got.json()["warning"]


def test_unroutable_can_be_listed(project):
    made = project.event()
    rows = project.get("/v1/events?status=unroutable").json()["data"]
    assert [row["id"] for row in rows] == [made["eventId"]]


PAYLOADS = [
    VERBATIM, b'"text"', b"null", b"true", b"0", b"-0.0e-7", b"[]", b"{}", b"[1,[2,[3]]]", b"1E400",
    b'"\\ud83d\\ude00 \xf0\x9f\x98\x80"', b'{ "spaced" :\n\t[ 1 ,  2 ] }', b'{"a":1,"a":2}', b'"\\/ \\u002f"',
    b"123456789012345678901234567890.5",
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=[p.decode() for p in PAYLOADS])
def test_payload_arrives_byte_for_byte(project, peer, payload):
    path = peer.path()
    project.webhook(peer.url(path))
    assert post_bytes(project, envelope(payload)).status == 202
    assert peer.wait(path)[0].body == payload


def test_payload_of_512_levels_is_taken(project):
    assert post_bytes(project, envelope(b"[" * 512 + b"]" * 512)).status == 202


def test_payload_of_256_kib_is_taken_and_one_byte_more_is_413(project):
    fits = b'"' + b"x" * (256 * 1024 - 2) + b'"'
    assert post_bytes(project, envelope(fits)).status == 202
    got = post_bytes(project, envelope(fits[:-1] + b'x"'))
    assert got.status == 413 and got.code == "payload-too-large"
    assert project.rows("events") == 1


def test_all_fields_are_kept(project):
    sent = body(channel="orders", customerExternalId="c_42", occurredAt="2026-11-22T10:00:00.000Z",
                metadata={"source": "shop"}, routingKey="eu", externalId="x-1")
    made = project.post("/v1/events", sent).json()
    event = project.get(f"/v1/events/{made['eventId']}").json()
    for name in ("eventType", "channel", "customerExternalId", "occurredAt", "metadata", "routingKey", "externalId"):
        assert event[name] == sent[name], name


def test_event_is_found_by_its_bare_uuid(project):
    made = project.event()
    number = project.stack.value("SELECT id FROM events WHERE project_id = %s", [project.number])
    assert project.get(f"/v1/events/{number}").json()["id"] == made["eventId"]
    assert project.get(f"/v1/events/{str(number).upper()}").status == 200


@pytest.mark.parametrize("time, shown", [
    ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
    ("2026-11-22T10:00:00.123456+02:00", "2026-11-22T08:00:00.123Z"),
    (1795341600000, "2026-11-22T10:00:00.000Z"),
])
def test_occurred_at_forms(project, time, shown):
    made = project.event(occurredAt=time)
    assert project.get(f"/v1/events/{made['eventId']}").json()["occurredAt"] == shown


# What is refused: sent bytes, status, code (None: any), the pointer that must be named (None: none).
REFUSED = {
    "not json": (b"hello", 400, None, None),
    "cut json": (b'{"eventType":"a","payload":', 400, None, None),
    "nothing": (b"", 400, None, None),
    "trailing comma": (b'{"eventType":"a","payload":1,}', 400, None, None),
    "trailing bytes": (b'{"eventType":"a","payload":1} x', 400, None, None),
    "two values": (b'{"eventType":"a","payload":1}{"eventType":"a","payload":1}', 400, None, None),
    "comment": (b'{"eventType":"a",/* */"payload":1}', 400, None, None),
    "NaN": (b'{"eventType":"a","payload":NaN}', 400, None, None),
    "leading zero": (b'{"eventType":"a","payload":01}', 400, None, None),
    "single quotes": (b"{'eventType':'a','payload':1}", 400, None, None),
    "byte order mark": (b'\xef\xbb\xbf{"eventType":"a","payload":1}', 400, None, None),
    "raw control character": (b'{"eventType":"a","payload":"\x01"}', 400, None, None),
    "raw NUL": (b'{"eventType":"a","payload":"\x00"}', 400, None, None),
    "invalid UTF-8 in payload": (b'{"eventType":"a","payload":"\xff"}', 400, None, None),
    "overlong UTF-8": (b'{"eventType":"a","payload":"\xc0\xaf"}', 400, None, None),
    "UTF-8 surrogate": (b'{"eventType":"a","payload":"\xed\xa0\x80"}', 400, None, None),
    "invalid UTF-8 in name": (b'{"eventType":"a","payload":1,"x\xff":1}', 400, None, None),
    "array": (b"[1]", 400, "wrong-type", None),
    "string": (b'"x"', 400, "wrong-type", None),
    "number": (b"1", 400, "wrong-type", None),
    "null": (b"null", 400, "wrong-type", None),
    "empty object": (b"{}", 400, "missing-field", "/eventType"),
    "PHP's empty object": (b"[]", 400, "missing-field", "/eventType"),
    "missing type": (b'{"payload":1}', 400, "missing-field", "/eventType"),
    "missing payload": (b'{"eventType":"a"}', 400, "missing-field", "/payload"),
    "type is null": (b'{"eventType":null,"payload":1}', 400, "missing-field", "/eventType"),
    "type is a number": (b'{"eventType":1,"payload":1}', 400, "wrong-type", "/eventType"),
    "type is empty": (b'{"eventType":"","payload":1}', 400, None, "/eventType"),
    "type with a space": (b'{"eventType":"a b","payload":1}', 400, None, "/eventType"),
    "type with a star": (b'{"eventType":"a.*","payload":1}', 400, None, "/eventType"),
    "type of 129 bytes": (b'{"eventType":"' + b"a" * 129 + b'","payload":1}', 400, None, "/eventType"),
    "type with an escaped NUL": (b'{"eventType":"a\\u0000","payload":1}', 400, None, "/eventType"),
    "unknown field": (b'{"eventType":"a","payload":1,"evil":1}', 400, "unknown-field", "/evil"),
    "field in another case": (b'{"eventtype":"a","eventType":"a","payload":1}', 400, "unknown-field", "/eventtype"),
    "duplicate field": (b'{"eventType":"a","payload":1,"eventType":"b"}', 400, "duplicate-field", None),
    "duplicate by escape": (b'{"eventType":"a","payload":1,"event\\u0054ype":"b"}', 400, "duplicate-field", None),
    "channel is a list": (b'{"eventType":"a","payload":1,"channel":["x"]}', 400, "wrong-type", "/channel"),
    "channel with a slash": (b'{"eventType":"a","payload":1,"channel":"a/b"}', 400, None, "/channel"),
    "reserved channel": (b'{"eventType":"a","payload":1,"channel":"$dlq"}', 422, "reserved-channel", "/channel"),
    "customer of 257 bytes": (b'{"eventType":"a","payload":1,"customerExternalId":"' + b"c" * 257 + b'"}', 400, None,
                              "/customerExternalId"),
    "customer with a line end": (b'{"eventType":"a","payload":1,"customerExternalId":"a\\nb"}', 400, None,
                                 "/customerExternalId"),
    "external id is a number": (b'{"eventType":"a","payload":1,"externalId":7}', 400, "wrong-type", "/externalId"),
    "external id is empty": (b'{"eventType":"a","payload":1,"externalId":""}', 400, None, "/externalId"),
    "external id with a lone surrogate": (b'{"eventType":"a","payload":1,"externalId":"\\ud800"}', 400, None,
                                          "/externalId"),
    "routing key of 257 bytes": (b'{"eventType":"a","payload":1,"routingKey":"' + b"r" * 257 + b'"}', 400, None,
                                 "/routingKey"),
    "metadata is a string": (b'{"eventType":"a","payload":1,"metadata":"x"}', 400, "wrong-type", "/metadata"),
    "metadata with a number": (b'{"eventType":"a","payload":1,"metadata":{"a":1}}', 400, "wrong-type", "/metadata"),
    "metadata in metadata": (b'{"eventType":"a","payload":1,"metadata":{"a":{}}}', 400, "wrong-type", "/metadata"),
    "metadata with a duplicate": (b'{"eventType":"a","payload":1,"metadata":{"a":"1","a":"2"}}', 400, None, "/metadata"),
    "metadata of 5 KiB": (b'{"eventType":"a","payload":1,"metadata":{"a":"' + b"m" * 5000 + b'"}}', 400, None,
                          "/metadata"),
    "time of 1e400": (b'{"eventType":"a","payload":1,"occurredAt":1e400}', 400, None, "/occurredAt"),
    "time of -1e400": (b'{"eventType":"a","payload":1,"occurredAt":-1e400}', 400, None, "/occurredAt"),
    "time in seconds": (b'{"eventType":"a","payload":1,"occurredAt":1795341600}', 400, "time-in-seconds", "/occurredAt"),
    "time is a boolean": (b'{"eventType":"a","payload":1,"occurredAt":true}', 400, "wrong-type", "/occurredAt"),
    "time without a zone": (b'{"eventType":"a","payload":1,"occurredAt":"2026-11-22T10:00:00"}', 400, None, "/occurredAt"),
    "time that does not exist": (b'{"eventType":"a","payload":1,"occurredAt":"2026-02-30T10:00:00Z"}', 400, None,
                                 "/occurredAt"),
    "relative time": (b'{"eventType":"a","payload":1,"occurredAt":"-15m"}', 400, None, "/occurredAt"),
    "10,000 levels": (envelope(b"[" * 10000 + b"]" * 10000), 400, None, None),
    "513 levels": (envelope(b"[" * 513 + b"]" * 513), 400, None, None),
    "100,000 levels, never closed": (envelope(b"[" * 100000), 400, None, None),
    "300 KiB payload": (envelope(b'"' + b"x" * (300 * 1024) + b'"'), 413, None, None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_nothing_stored(project, name):
    sent, status, code, pointer = REFUSED[name]
    got = post_bytes(project, sent)
    assert got.status == status, got
    assert got.headers["content-type"] == "application/problem+json"
    if code:
        assert got.code == code
    if pointer:
        assert got.pointers() == [pointer]
    assert project.rows("events") == project.rows("event_keys") == 0


def test_wrong_content_type_is_415_and_names_the_header(project):
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        got = project.post("/v1/events", b'{"eventType":"a","payload":1}', headers={"Content-Type": kind})
        assert got.status == 415
        assert "Content-Type: application/json" in got.json()["detail"]


def test_content_type_with_a_charset_is_taken(project):
    got = project.post("/v1/events", envelope(b"1"), headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert got.status == 202


def test_compressed_body_is_refused(project):
    got = post_bytes(project, gzip.compress(envelope(b"1")), **{"Content-Encoding": "gzip"})
    assert got.status in (400, 415)


def test_query_parameter_is_refused(project):
    assert project.post("/v1/events?x=1", body()).code == "unknown-parameter"


def test_delivery_of_ours_is_a_loop(project):
    got = project.post("/v1/events", body(), headers={"dlo-delivery-id": "dlv_01kb0000000000000000000000"})
    assert got.status == 409 and got.code == "delivery-loop"
    assert project.rows("events") == 0


def head(project, length, more=""):
    return (f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {project.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n").encode()


def test_body_cut_short_stores_nothing(project):
    """The client goes away half way; whoever reads the body must see that it is not all."""
    whole = envelope(b'{"a":1}')
    with socket.create_connection(("127.0.0.1", project.port), timeout=10) as sock:
        sock.sendall(head(project, len(whole) + 10) + whole)
    answer = raw(project.port, head(project, len(whole) + 10) + whole, finish=True)
    assert not answer or b" 400 " in answer.split(b"\r\n")[0]
    eventually(lambda: project.stack.serves())
    assert project.rows("events") == 0


def test_chunked_body_is_taken(project):
    whole = envelope(VERBATIM)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (whole[:7], whole[7:])) + b"0\r\n\r\n"
    request = head(project, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + chunks
    assert b" 202 " in raw(project.port, request).split(b"\r\n")[0]
    assert project.rows("events") == 1


def test_expect_continue_is_served(project):
    whole = envelope(b"1")
    answer = raw(project.port, head(project, len(whole), "Expect: 100-continue\r\n") + whole)
    assert b" 202 " in answer


def test_list_filters(project):
    a = project.event(type="a.b", channel="one", externalId="e1", customerExternalId="c1")["eventId"]
    b = project.event(type="a.c", channel="two")["eventId"]

    def shown(**filters):
        return [row["id"] for row in project.get("/v1/events", query=filters).json()["data"]]
    assert shown() == [b, a]
    assert shown(eventType="a.b") == shown(channel="one") == shown(externalId="e1") == shown(customerExternalId="c1") == [a]
    assert shown(eventType="a.b,a.c") == [b, a]
    assert shown(**{"from": "-5m"}) == [b, a] and shown(to="-5m") == []


def test_list_shows_no_payload_bytes_but_the_event_does(project):
    made = post_bytes(project, envelope(VERBATIM)).json()["eventId"]
    assert "payload" not in project.get("/v1/events").json()["data"][0]
    assert project.get(f"/v1/events/{made}").json()["payload"] == VERBATIM.decode()


def test_refused_event_is_counted_for_the_operator(stack, project):
    def rejected():
        text = stack.operator.get("/metrics").body.decode()
        return sum(float(n) for n in re.findall(r"^dlo_events\w*\{[^}]*rejected[^}]*\} ([\d.]+)$", text, re.M))
    before = rejected()
    post_bytes(project, b"{}")
    assert rejected() == before + 1


def test_json_answers_are_json(project):
    got = project.post("/v1/events", body())
    assert got.headers["content-type"] == "application/json"
    json.loads(got.body)
