"""GET /v1/dlq/export: pages of 20, and streams with a manifest."""

import base64
import csv
import hashlib
import io
import json
import threading

import pytest

from harness.wait import eventually

NDJSON = {"Accept": "application/x-ndjson"}
CSV = {"Accept": "text/csv"}


class Shop:
    def __init__(self, stack, peer):
        self.stack, self.project = stack, stack.project()
        for n in range(3):  # so many that no circuit opens
            self.project.webhook(peer.url(peer.path("/status/400", record=False)), eventTypes=[f"e.{n}"])
        events = [{"eventType": f"e.{n % 3}", "payload": {"n": n, "who": "needle" if n < 4 else "straw"},
                   "externalId": f"x{n}", "customerExternalId": "=1+1" if n == 0 else "c", "metadata": {"k": "v"},
                   "routingKey": "eu"} for n in range(45)]
        assert self.project.post("/v1/events/batch", {"events": events}).status == 200
        eventually(lambda: len(self.project.entries(limit=200)) == 45)

    def ids(self, **filters):
        return [row["id"] for row in self.project.entries(limit=200, **filters)]

    def export(self, headers=None, client=None, **query):
        """Another export may be under way for a moment: its place is given back after its last byte."""
        got = eventually(lambda: (a := (client or self.project).get("/v1/dlq/export", query=query, headers=headers)).status
                         != 429 and a)
        assert got.status == 200, got
        return got


@pytest.fixture(scope="module")
def shop(stack, peer):
    return Shop(stack, peer)


def test_pages_of_twenty_with_base64(shop):
    first = shop.export().json()
    assert len(first["data"]) == 20 and first["nextCursor"]
    seen, page = [], first
    while True:
        seen += page["data"]
        if not page["nextCursor"]:
            break
        page = shop.export(cursor=page["nextCursor"]).json()
    assert [row["id"] for row in seen] == shop.ids()
    for row in seen:
        message = row["originalMessage"]
        payload = base64.b64decode(message["payload"])
        assert json.loads(payload)["n"] == int(row["externalId"][1:]) and message["encoding"] == "base64"
        assert message["sha256"] == hashlib.sha256(payload).hexdigest() and message["bytes"] == len(payload)
        assert message["metadata"] == {"k": "v"} and message["routingKey"] == "eu"


def test_page_is_capped_at_twenty(shop):
    assert len(shop.export(limit=200).json()["data"]) == 20
    assert len(shop.export(limit=7).json()["data"]) == 7


def test_filters_are_those_of_the_list(shop):
    assert [r["id"] for r in shop.export(eventType="e.1").json()["data"]] == shop.ids(eventType="e.1")
    assert shop.export(state="discarded").json()["data"] == []
    assert shop.project.get("/v1/dlq/export?nope=1").status == 400
    assert shop.project.get("/v1/dlq/export?state=x").status == 400


def test_ndjson_is_everything_and_a_manifest(shop):
    got = shop.export(NDJSON)
    assert got.headers["content-type"] == "application/x-ndjson"
    assert got.headers["content-disposition"].startswith("attachment")
    assert "content-length" not in got.headers and got.headers["x-content-type-options"] == "nosniff"
    *lines, last = got.body.splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == shop.ids()
    assert base64.b64decode(rows[0]["originalMessage"]["payload"]).startswith(b"{")
    manifest = json.loads(last)["manifest"]
    body = b"".join(lines)
    assert manifest["count"] == 45 and manifest["bytes"] == len(body) and manifest["complete"] is True
    assert manifest["sha256"] == hashlib.sha256(body).hexdigest()
    assert manifest["firstId"] == rows[0]["id"] and manifest["lastId"] == rows[-1]["id"]
    assert manifest["project"] == shop.project.id and manifest["payloads"] is True


def test_manifest_only_is_that_of_the_stream(shop):
    stream = json.loads(shop.export(NDJSON, eventType="e.1").body.splitlines()[-1])["manifest"]
    alone = shop.export(manifest="only", eventType="e.1").json()["manifest"]
    assert {k: alone[k] for k in ("sha256", "count", "bytes", "firstId", "lastId", "format")} == {
        k: stream[k] for k in ("sha256", "count", "bytes", "firstId", "lastId", "format")}
    assert shop.project.get("/v1/dlq/export?manifest=all").status == 400


def test_csv_is_metadata_and_no_formula(shop):
    got = shop.export(CSV)
    assert got.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(got.body.decode(), newline="")))
    assert [row["id"] for row in rows] == shop.ids()
    assert {row["customerExternalId"] for row in rows} == {"'=1+1", "c"}
    assert b"needle" not in got.body and b'"\'=1+1"' in got.body
    assert rows[0]["failureReason"] == "http_4xx" and rows[0]["url"].startswith("http://127.0.0.1")
    manifest = shop.export(CSV, manifest="only").json()["manifest"]
    assert manifest["sha256"] == hashlib.sha256(got.body).hexdigest() and manifest["format"] == "csv"


def test_streams_go_on_from_a_cursor_and_have_no_limit(shop):
    cursor = shop.export(limit=20).json()["nextCursor"]
    lines = shop.export(NDJSON, cursor=cursor).body.splitlines()
    assert [json.loads(line)["id"] for line in lines[:-1]] == shop.ids()[20:]
    assert shop.project.get("/v1/dlq/export?limit=5", headers=NDJSON).status == 400


def test_search_in_an_export(shop):
    lines = shop.export(NDJSON, q="needle", **{"from": "-1h"}).body.splitlines()
    assert len(lines) == 5 and json.loads(lines[-1])["manifest"]["count"] == 4
    assert len(shop.export(q="needle", **{"from": "-1h"}, limit=20).json()["data"]) <= 4


def test_nothing_is_a_stream_too(shop):
    (line,) = shop.export(NDJSON, state="discarded").body.splitlines()
    manifest = json.loads(line)["manifest"]
    assert manifest["count"] == 0 and manifest["sha256"] == hashlib.sha256(b"").hexdigest() and manifest["firstId"] is None


def test_payloads_need_their_scope(shop):
    client = shop.project.limited("dlq:export")
    row = shop.export(client=client).json()["data"][0]
    assert row["originalMessage"]["payload"] is None and row["originalMessage"]["payloadHidden"] is True
    lines = shop.export(NDJSON, client=client).body.splitlines()
    assert json.loads(lines[0])["originalMessage"]["payload"] is None
    assert json.loads(lines[-1])["manifest"]["payloads"] is False
    assert client.get("/v1/dlq/export?q=needle&from=-1h").status == 403


def test_system_scope_is_exported(stack, project):
    project.event(type="nobody", payload={"lost": True})
    got = eventually(lambda: (a := project.get("/v1/dlq/export?scope=system", headers=NDJSON)).status == 200 and a)
    row, manifest = map(json.loads, got.body.splitlines())
    assert base64.b64decode(row["originalMessage"]["payload"]) == b'{"lost": true}' and row["scope"] == "system"


def test_export_is_audited_with_its_digest(shop):
    shop.export(NDJSON, eventType="e.2")
    rows = eventually(lambda: [a for a in shop.project.get("/v1/audit?action=dlq.export,dlq.export.done").json()["data"]])
    done, began = rows[0], rows[1]
    assert began["action"] == "dlq.export" and began["detail"]["filters"] == {"eventType": ["e.2"]}
    assert began["detail"]["format"] == "ndjson" and began["actor"].startswith("key_")
    assert done["action"] == "dlq.export.done" and done["detail"]["count"] == 15 and len(done["detail"]["sha256"]) == 64


def test_large_payloads_come_in_chunks(stack, peer):
    """60 payloads of 250 KB are four chunks of what one export may hold."""
    project = stack.project()
    for n in range(4):
        project.webhook(peer.url(peer.path("/status/400", record=False)), eventTypes=[f"big.{n}"])
    for n in range(60):
        project.event(type=f"big.{n % 4}", payload={"n": n, "x": "y" * 250000})
    eventually(lambda: len(project.entries(limit=200)) == 60, 30)
    got = eventually(lambda: (a := project.get("/v1/dlq/export", headers=NDJSON)).status == 200 and a)
    *lines, last = got.body.splitlines()
    assert len(lines) == 60 and json.loads(last)["manifest"]["count"] == 60
    assert sorted(json.loads(base64.b64decode(json.loads(line)["originalMessage"]["payload"]))["n"] for line in lines) == [
        *range(60)]


def test_one_export_a_project_at_a_time(shop):
    answers = []

    def ask():
        answers.append(shop.project.get("/v1/dlq/export", headers=NDJSON))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    statuses = {a.status for a in answers}
    assert statuses <= {200, 429} and 200 in statuses
    for answer in answers:
        if answer.status == 429:
            assert answer.headers["retry-after"] and answer.code == "busy"


def test_head_of_a_stream_has_no_body(shop):
    got = eventually(lambda: (a := shop.project.call("HEAD", "/v1/dlq/export", headers=NDJSON)).status == 200 and a)
    assert got.body == b"" and got.headers["content-type"] == "application/x-ndjson"
