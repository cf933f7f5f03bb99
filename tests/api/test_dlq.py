"""/v1/dlq: what an entry shows, filters, pages and totals."""

import base64
import re
import time

import pytest

from harness.wait import eventually

DLQ = re.compile(r"^dlq_[0-9a-hjkmnp-tv-z]{26}$")
ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Shop:
    """A project with a known set of entries, made once."""

    def __init__(self, stack, peer):
        self.project = project = stack.project()
        self.hooks = {mode: project.webhook(peer.url(peer.path(mode)), eventTypes=[kind], maxAttempts=1,
                                            expectedStatuses=[404])["id"]
                      for kind, mode in (("a.bad", "/status/400"), ("a.down", "/status/503"), ("a.lost", "/status/404"),
                                         ("a.rst", "/rst"))}
        for n in range(3):
            project.event(type="a.bad", channel="orders", externalId=f"x{n}", customerExternalId="c1",
                          occurredAt=f"2026-11-2{n}T10:00:00Z", payload={"n": n}, metadata={"k": "v"}, routingKey="eu")
        for _ in range(2):
            project.event(type="a.down", channel="stock")
        project.event(type="a.lost")
        project.event(type="a.rst")
        eventually(lambda: len(project.entries(limit=200)) == 7)

    def ids(self, **filters):
        return [row["id"] for row in self.project.entries(limit=200, **filters)]

    def count(self, **filters):
        return self.project.get("/v1/dlq", query={"count": "exact", **filters}).json()["total"]


@pytest.fixture(scope="module")
def shop(stack, peer):
    return Shop(stack, peer)


def test_row_has_every_member(shop):
    row = shop.project.entries(externalId="x1")[0]
    assert DLQ.match(row["id"]) and row["gid"] == row["id"]
    assert row["deliveryId"].startswith("dlv_") and row["eventId"].startswith("evt_")
    assert row["webhookId"] == row["subscriptionId"] == shop.hooks["/status/400"]
    assert row["destination"]["type"] == "webhook" and row["destination"]["url"].startswith("http://127.0.0.1:")
    expected = {"externalId": "x1", "channel": "orders", "eventType": "a.bad", "customerExternalId": "c1",
                "occurredAt": "2026-11-21T10:00:00.000Z", "failureReason": "http_4xx", "classification": "permanent",
                "intentional": False, "lastStatusCode": 400, "attemptCount": 1, "retryCount": 0, "state": "open",
                "replayable": True, "notReplayableReason": None, "generation": 0, "replayedAs": None}
    assert {k: row[k] for k in expected} == expected
    for name in ("firstAttemptAt", "lastAttemptAt", "createdAt", "expiresAt"):
        assert ISO.match(row[name]), name
    assert re.match(r"^[0-9a-f]{32}$", row["fingerprint"]) and row["lastError"]


def test_detail_has_the_original_message(shop):
    row = shop.project.entries(externalId="x1")[0]
    entry = shop.project.entry(row["id"])
    assert entry["originalMessage"] == {"payload": '{"n": 1}', "encoding": "utf-8", "metadata": {"k": "v"},
                                        "channel": "orders", "routingKey": "eu"}
    source = entry["artifacts"]["source"]
    assert source["available"] is True and source["bytes"] == 8 and len(source["sha256"]) == 64
    assert source["expiresAt"] == row["expiresAt"] and entry["artifacts"]["dispatch"]["available"] in (True, False)
    assert {k: entry[k] for k in row} == row


def test_detail_has_every_attempt(shop):
    entry = shop.project.entry(shop.project.entries(externalId="x1")[0]["id"])
    (attempt,) = entry["attempts"]
    assert attempt["n"] == 1 and attempt["outcome"] == "permfail" and attempt["statusCode"] == 400
    assert attempt["request"]["bodySha256"] == entry["artifacts"]["source"]["sha256"]
    assert attempt["request"]["headers"]["webhook-id"] == entry["eventId"]
    assert attempt["response"]["body"] == "status 400 as asked\n" and attempt["response"]["bodyTruncated"] is False
    assert set(attempt["timing"]) == {"dnsMs", "connectMs", "tlsMs", "ttfbMs", "totalMs"}
    assert attempt["remoteAddress"] == "127.0.0.1" and attempt["errorCode"]


def test_attempt_alone(shop):
    row = shop.project.entries(externalId="x1")[0]
    one = shop.project.get(f"/v1/dlq/{row['id']}/attempts/1")
    assert one.status == 200 and one.json() == shop.project.entry(row["id"])["attempts"][0]


@pytest.mark.parametrize("n", ["0", "2", "-1", "x", "1.0", "99999999999"])
def test_attempt_that_is_not_there(shop, n):
    row = shop.project.entries(externalId="x1")[0]
    assert shop.project.get(f"/v1/dlq/{row['id']}/attempts/{n}").status == 404


def test_payload_leaves_as_an_attachment(shop):
    row = shop.project.entries(externalId="x1")[0]
    got = shop.project.get(f"/v1/dlq/{row['id']}/payload")
    assert got.body == b'{"n": 1}'
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"


def test_entry_is_found_by_its_own_and_its_deliverys_id_prefixed_or_bare(shop):
    row = shop.project.entries(externalId="x1")[0]
    bare, delivery = shop.project.stack.sql(
        "SELECT id, delivery_id FROM dead_letters WHERE project_id = %s AND external_id = 'x1'", [shop.project.number])[0]
    for name in (row["id"], row["deliveryId"], bare, delivery, str(bare).upper()):
        assert shop.project.entry(name)["id"] == row["id"]


@pytest.mark.parametrize("id", ["x", "dlq_", "dlq_01kb0000000000000000000000", "whk_01kb0000000000000000000000",
                                "00000000-0000-0000-0000-000000000000", "dlq_8zzzzzzzzzzzzzzzzzzzzzzzzz"])
def test_unknown_and_malformed_ids_are_404(shop, id):
    assert shop.project.get(f"/v1/dlq/{id}").status == 404
    assert shop.project.post(f"/v1/dlq/{id}/re-drive").status == 404
    assert shop.project.post(f"/v1/dlq/{id}/discard", {"reason": "r"}).status == 404


FILTERS = [
    ({"channel": "orders"}, 3), ({"channel": "orders,stock"}, 5), ({"channel": ["orders", "stock"]}, 5), ({"channel": "x"}, 0),
    ({"eventType": "a.bad"}, 3), ({"eventType": "a.*"}, 0), ({"externalId": "x0"}, 1), ({"customerExternalId": "c1"}, 3),
    ({"failureReason": "http_4xx"}, 4), ({"failureReason": "http_5xx"}, 2), ({"failureReason": "5xx"}, 2),
    ({"failureReason": "circuit_breaker"}, 0), ({"failureReason": "connection_reset"}, 1),
    ({"failureReason": "http_4xx,5xx"}, 6),
    ({"classification": "permanent"}, 4), ({"classification": "transient_exhausted"}, 3),
    ({"statusCode": "503"}, 2), ({"statusCode": "400,404"}, 4), ({"statusCode": "0"}, 1),
    ({"state": "open"}, 7), ({"state": "resolved"}, 0), ({"state": "all"}, 7), ({"state[]": ["open", "resolved"]}, 7),
    ({"replayable": "true"}, 7), ({"replayable": "false"}, 0), ({"intentional": "true"}, 1), ({"intentional": "false"}, 6),
    ({"generation": "0"}, 7), ({"generation": "1"}, 0), ({"scope": "destination"}, 7),
    ({"from": "-1h"}, 7), ({"to": "-1h"}, 0), ({"from": "-1h", "to": "-30m"}, 0),
    ({"occurredFrom": "2026-11-21T00:00:00Z"}, 2), ({"occurredTo": "2026-11-21T10:00:00Z"}, 1),
    ({"occurredFrom": "2026-11-21T11:00:00+01:00", "occurredTo": "2026-11-21T10:00:00.001Z"}, 1),
    ({"expiresBefore": "-1h"}, 0), ({"channel": "orders", "eventType": "a.down"}, 0),
    ({"channel": "orders", "externalId": "x1", "state": "open", "failureReason": "http_4xx"}, 1),
]


@pytest.mark.parametrize("filters, n", FILTERS, ids=[str(f) for f, _ in FILTERS])
def test_filter(shop, filters, n):
    assert len(shop.ids(**filters)) == n
    assert shop.count(**filters) == n


@pytest.mark.parametrize("name", ["webhookId", "subscriptionId"])
def test_filter_by_webhook(shop, name):
    assert len(shop.ids(**{name: shop.hooks["/status/400"]})) == 3
    assert len(shop.ids(**{name: ",".join(shop.hooks.values())})) == 7
    assert shop.count(**{name: shop.hooks["/status/400"]}) == 3


def test_filter_by_fingerprint_groups_alike(shop):
    prints = {row["fingerprint"] for row in shop.project.entries(eventType="a.down")}
    assert len(prints) == 1
    assert len(shop.ids(fingerprint=prints.pop())) == 2


def test_relative_times_are_echoed_as_they_were_resolved(shop):
    page = shop.project.get("/v1/dlq?from=-15m&to=-5m").json()
    assert ISO.match(page["from"]) and ISO.match(page["to"])


def test_epoch_milliseconds_and_a_space_for_a_plus_are_read(shop):
    ms = int(time.time() * 1000) - 3600_000
    assert shop.project.get(f"/v1/dlq?from={ms}").status == 200
    got = shop.project.get("/v1/dlq?from=2026-11-22T10:00:00 02:00".replace(" ", "%20"))
    assert got.status == 200 and got.json()["from"] == "2026-11-22T08:00:00.000Z"


BAD_FILTERS = [
    ("webhookId=x", "malformed-id"), ("webhookId=evt_01kb0000000000000000000000", "malformed-id"),
    ("eventId=1", "malformed-id"), ("state=closed", None), ("state=purged", None), ("failureReason=boom", None),
    ("classification=maybe", None), ("statusCode=abc", None), ("statusCode=-1", None), ("fingerprint=xyz", None),
    ("replayable=yes", None), ("intentional=1", None), ("generation=-1", None),
    ("from=yesterday", None), ("from=1795341600", "time-in-seconds"), ("from=-15", None), ("from=-15y", None),
    ("from=2026-11-22", None), ("from=2026-13-01T00:00:00Z", None), ("to=1e400", None),
    ("limit=0", None), ("limit=-1", None), ("limit=x", None), ("limit=1.5", None), ("cursor=abc", None),
    ("count=maybe", None), ("scope=all", None), ("nope=1", "unknown-parameter"), ("State=open", "unknown-parameter"),
    ("limit=1&limit=2", None), ("%00=1", None), ("channel=%ff", None), ("channel=%zz", None),
]


@pytest.mark.parametrize("query, code", BAD_FILTERS, ids=[q for q, _ in BAD_FILTERS])
def test_bad_filter_is_400(shop, query, code):
    got = shop.project.get(f"/v1/dlq?{query}")
    assert got.status == 400, got
    assert got.headers["content-type"] == "application/problem+json"
    assert code is None or got.code == code
    if "%" not in query:
        assert got.pointers() == ["?" + query.split("=")[0]]


# --- pages ------------------------------------------------------------------------------------------------------------


def pages(project, **query):
    seen, cursor = [], None
    while True:
        got = project.get("/v1/dlq", query={**query, **({"cursor": cursor} if cursor else {})})
        assert got.status == 200, got
        page = got.json()
        assert len(page["data"]) <= query["limit"]
        seen += [row["id"] for row in page["data"]]
        cursor = page["nextCursor"]
        assert (cursor is not None) == ("link" in got.headers)
        if cursor is None:
            return seen


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
def test_pages_are_the_list(shop, limit):
    assert pages(shop.project, limit=limit) == shop.ids()


def test_pages_of_entries_of_one_moment(project, peer):
    """A batch of outcomes is one transaction: its entries have the same time, and the id decides."""
    for n in range(3):
        project.webhook(peer.url(peer.path("/status/400", record=False)), eventTypes=[f"k.{n}"])
    events = [{"eventType": f"k.{n % 3}", "payload": n} for n in range(60)]
    project.post("/v1/events/batch", {"events": events})
    eventually(lambda: len(project.entries(limit=200)) == 60)
    rows = project.entries(limit=200)
    for row in rows[::4]:
        project.post(f"/v1/dlq/{row['id']}/discard", {"reason": "r"})
    whole = [row["id"] for row in rows]
    assert pages(project, limit=7, state="all") == whole
    two = sorted({row["webhookId"] for row in rows})[:2]
    expected = [row["id"] for row in rows if row["webhookId"] in two]
    assert pages(project, limit=7, state="all", webhookId=",".join(two)) == expected
    assert pages(project, limit=5, state="discarded,open", webhookId=",".join(two)) == expected
    assert pages(project, limit=4, state="discarded") == whole[::4]


def test_newest_first(shop):
    rows = shop.project.entries()
    assert rows == sorted(rows, key=lambda r: (r["createdAt"], r["id"]), reverse=True)


def test_limit_above_200_is_lowered(shop):
    assert len(shop.project.get("/v1/dlq?limit=100000").json()["data"]) == 7


def test_link_leads_to_the_next_page(shop):
    got = shop.project.get("/v1/dlq?limit=5&channel=orders,stock&state=all")
    assert "link" not in got.headers
    got = shop.project.get("/v1/dlq?limit=3&channel=orders,stock&state=all")
    link = re.match(r'^<http://dlo\.test(/v1/dlq\?.*)>; rel="next"$', got.headers["link"]).group(1)
    rest = shop.project.get(link).json()["data"]
    assert [r["id"] for r in got.json()["data"] + rest] == shop.ids(channel="orders,stock")


def test_cursor_survives_inserts(project, peer):
    for _ in range(4):
        project.dead_letter(peer)
    before = [row["id"] for row in project.entries()]
    page = project.get("/v1/dlq?limit=2").json()
    project.dead_letter(peer)
    rest = project.get("/v1/dlq", query={"limit": 50, "cursor": page["nextCursor"]}).json()["data"]
    assert [row["id"] for row in page["data"] + rest] == before


def test_cursor_survives_changes_of_state(project, peer):
    entries = [project.dead_letter(peer)["id"] for _ in range(4)][::-1]
    page = project.get("/v1/dlq?limit=2").json()
    project.post(f"/v1/dlq/{entries[1]}/discard", {"reason": "r"})
    rest = project.get("/v1/dlq", query={"limit": 2, "cursor": page["nextCursor"]}).json()["data"]
    assert [row["id"] for row in rest] == entries[2:]


@pytest.mark.parametrize("change", ["channel=orders", "state=all", "from=-1h"])
def test_cursor_with_other_filters_is_400(shop, change):
    cursor = shop.project.get("/v1/dlq?limit=2").json()["nextCursor"]
    got = shop.project.get(f"/v1/dlq?limit=2&{change}&cursor={cursor}")
    assert got.status == 400 and got.code == "cursor-filter-mismatch"


def test_cursor_of_another_project_is_400(shop, project):
    cursor = shop.project.get("/v1/dlq?limit=2").json()["nextCursor"]
    assert project.get(f"/v1/dlq?limit=2&cursor={cursor}").code == "cursor-filter-mismatch"


def test_cursor_of_another_list_is_400(shop):
    cursor = shop.project.get("/v1/dlq?limit=2").json()["nextCursor"]
    assert shop.project.get(f"/v1/deliveries?limit=2&cursor={cursor}").status == 400


def test_forged_cursor_is_400(shop):
    cursor = shop.project.get("/v1/dlq?limit=2").json()["nextCursor"]
    for n in (0, len(cursor) // 2, len(cursor) - 3):
        forged = cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1:]
        assert shop.project.get(f"/v1/dlq?limit=2&cursor={forged}").status == 400


def test_cursor_hides_what_is_in_it(shop):
    cursor = shop.project.get("/v1/dlq?limit=2").json()["nextCursor"]
    raw = base64.urlsafe_b64decode(cursor + "==")
    assert shop.project.entries(limit=2)[-1]["id"].encode() not in raw


def test_limit_may_change_between_pages(shop):
    cursor = shop.project.get("/v1/dlq?limit=2").json()["nextCursor"]
    assert len(shop.project.get(f"/v1/dlq?limit=50&cursor={cursor}").json()["data"]) == 5


# --- totals -----------------------------------------------------------------------------------------------------------


def test_total_says_what_it_is_and_when(shop):
    page = shop.project.get("/v1/dlq?count=exact&limit=1").json()
    assert page["total"] == 7 and page["totalRelation"] == "eq" and ISO.match(page["countedAt"])


def test_estimate_is_taken(shop):
    page = shop.project.get("/v1/dlq?count=estimate").json()
    assert page["total"] == 7 and page["totalRelation"] in ("eq", "estimate")


def test_without_count_there_is_no_total(shop):
    assert "total" not in shop.project.get("/v1/dlq").json()


def test_empty_list_counts_zero(project):
    page = project.get("/v1/dlq?count=exact").json()
    assert (page["data"], page["nextCursor"], page["total"]) == ([], None, 0)


# --- 304 --------------------------------------------------------------------------------------------------------------


def test_unchanged_list_is_304(shop):
    first = shop.project.get("/v1/dlq?channel=orders")
    assert first.headers["etag"].startswith('W/"')
    again = shop.project.get("/v1/dlq?channel=orders", headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304 and again.body == b""


def test_changed_list_is_not_304(project, peer):
    tag = project.get("/v1/dlq").headers["etag"]
    project.dead_letter(peer)
    assert project.get("/v1/dlq", headers={"If-None-Match": tag}).status == 200


def test_overview_shows_the_state_of_the_project(shop):
    view = eventually(lambda: (v := shop.project.get("/v1/overview").json())["topGroups"] and v)
    assert view["open"] == 7 and view["webhooksTotal"] == 4 and view["webhooksAffected"] == 4
    assert {"enteringPerMinute", "usualPerMinute", "lastEntryAt", "topGroups", "expiring", "waiting", "oldestDueSeconds",
            "workerHeartbeatAgeSeconds", "operations", "alertsFiring", "silenced"} <= set(view)
    assert view["topGroups"][0]["count"] == 3 and view["workerHeartbeatAgeSeconds"] < 10


# --- drawers ----------------------------------------------------------------------------------------------------------


def test_lists_know_of_every_drawer(project, peer):
    """Lists name the drawers that hold something: those of an older plan, and those that something was carried to."""
    old = project.dead_letter(peer)
    project.stack.sql("UPDATE projects SET retention_s = 90 * 86400 WHERE id = %s", [project.number])
    new = project.dead_letter(peer)
    assert [e["id"] for e in project.entries()] == [new["id"], old["id"]]
    held = 2000000
    for table in ("dead_letter_bodies", "dead_letters"):
        project.stack.sql(f"UPDATE {table} SET drawer = %s WHERE project_id = %s", [held, project.number])
    assert [(e["id"], e["destination"]["url"] is not None) for e in project.entries()] == [(new["id"], True), (old["id"], True)]
    known = project.stack.sql("SELECT DISTINCT drawer FROM dlq_drawers WHERE project_id = %s", [project.number])
    assert len(known) == 3 and (held,) in known
