"""Bulk calls over HTTP: what is refused, what a plan says, what is frozen, and how an operation is read and steered."""

import itertools
import uuid

import pytest

from harness.bulk import fill
from harness.wait import eventually, stays

KINDS = ["re-drive", "discard", "restore", "purge"]
keys = itertools.count(1)


def start(project, kind, body, **kw):
    headers = {"Idempotency-Key": f"k-{next(keys)}", **kw.pop("headers", {})}
    return project.post(f"/v1/dlq/bulk-{kind}", body, headers=headers, **kw)


def made(project, kind, body):
    got = start(project, kind, {"reason": "r", **body} if kind == "discard" else body)
    assert got.status == 202, got
    return got.json()


def plan(project, kind, body):
    got = project.post(f"/v1/dlq/bulk-{kind}", {**body, "dryRun": True})
    assert got.status == 200, got
    return got.json()


def operation(project, op):
    got = project.get(f"/v1/bulk-operations/{op['id']}")
    assert got.status == 200, got
    counts = got.json()["counts"]
    assert sum(counts[n] for n in ("notStarted", "sent", "succeeded", "failed", "skipped")) == counts["total"], counts
    return got.json()


def ended(project, op, timeout=20):
    return eventually(lambda: (o := operation(project, op))["finishedAt"] and o, timeout)


def items(project, op, **query):
    rows, cursor = [], None
    while True:
        got = project.get(f"/v1/bulk-operations/{op['id']}/items", query={**query, **({"cursor": cursor} if cursor else {})})
        assert got.status == 200, got
        rows += got.json()["data"]
        cursor = got.json()["nextCursor"]
        if not cursor:
            return rows


def entries_in(project, state):
    return project.get("/v1/dlq", query={"state": state, "count": "exact"}).json()["total"]


@pytest.fixture
def letters(project, peer):
    """Three open entries of one webhook that takes everything by now, oldest first."""
    hook = project.webhook(peer.url(peer.path("/status/400")))
    for n in range(3):
        project.event(type="order.paid", channel=f"c{n}", payload={"n": n})
    project.wait_entry(n=3)
    project.path = peer.path()
    project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(project.path)}, headers={"If-Match": "*"})
    return project.entries()[::-1]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body, code", [
    (b"", "empty-filter"), ({}, "empty-filter"), ({"filters": {}}, "empty-filter"), ({"filters": []}, "empty-filter"),
    ({"filters": {"webhookId": None}}, "empty-filter"), ({"filters": {"webhookId": []}}, "empty-filter"),
    ({"ids": []}, "empty-filter"), ({"all": False}, "empty-filter"), ({"maxItems": 3}, "empty-filter"),
    ({"all": True, "ids": [str(uuid.uuid4())]}, "one-of"), ({"all": True, "filters": {"channel": "c"}}, "one-of"),
    ({"filters": {"chanel": "c"}}, "unknown-field"), ({"all": True, "evil": 1}, "unknown-field"),
    ({"filters": {"state": "opn"}}, "bad-filter"), ({"filters": {"webhookId": "x"}}, "malformed-id"),
    ({"filters": {"channel": {"a": 1}}}, "wrong-type"), ({"filters": {"from": 5}}, "time-in-seconds"),
    ({"filters": "x"}, "wrong-type"), ({"ids": ["x"]}, "malformed-id"), ({"ids": "x"}, "wrong-type"),
    ({"ids": [str(uuid.UUID(int=n)) for n in range(10001)]}, "out-of-range"),
    ({"all": True, "maxItems": 0}, "out-of-range"), ({"all": True, "expectTotal": -1}, "out-of-range"),
    ({"all": True, "ratePerSecond": 0}, "out-of-range"), ({"all": True, "ratePerSecond": "1"}, "wrong-type"),
    ({"all": True, "startAt": "tomorrow"}, "malformed-time"), ({"all": True, "startAt": "-15m"}, "malformed-time"),
    ({"all": 1}, "wrong-type"), ({"all": True, "dryRun": 1}, "wrong-type"),
])
def test_malformed_calls_are_400(project, kind, body, code):
    got = start(project, kind, body)
    assert got.status == 400 and got.code == code, got
    assert project.rows("bulk_operations") == 0


@pytest.mark.parametrize("body, status, code", [
    ({"target": "x"}, 400, "bad-value"), ({"mode": "x"}, 400, "bad-value"),
    ({"ratePerSecond": 100000}, 422, "plan-limit"), ({"maxItems": 5_000_001}, 422, "plan-limit"),
    ({"startAt": "2999-01-01T00:00:00Z"}, 422, "out-of-range"),
])
def test_what_a_rule_refuses(project, body, status, code):
    got = start(project, "re-drive", {"all": True, **body})
    assert got.status == status and got.code == code, got


FILTERS = ["webhookId", "subscriptionId", "channel", "eventType", "customerExternalId", "externalId", "eventId", "failureReason",
           "classification", "statusCode", "state", "replayable", "intentional", "fingerprint", "generation", "from", "to",
           "occurredFrom", "occurredTo", "expiresBefore", "scope", "q"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILTERS)
def test_empty_array_beside_another_filter_widens_nothing(project, kind, name):
    other = {"channel": "c"} if name != "channel" else {"eventType": "e"}
    for filters in ({**other, name: []}, {name: [], **other}):
        got = start(project, kind, {"filters": filters, "reason": "r"})
        assert got.status == 400 and got.code in ("bad-filter", "wrong-type") and got.pointers() == [f"/filters/{name}"], got
        assert project.post(f"/v1/dlq/bulk-{kind}", {"filters": filters, "dryRun": True}).status == 400
    assert project.rows("bulk_operations") == 0


@pytest.mark.parametrize("path", ["/v1/dlq", "/v1/dlq/export", "/v1/dlq/groups", "/v1/stats"])
def test_empty_value_in_a_query_widens_nothing(project, path):
    for query in ("webhookId=", "webhookId=,", "eventType=e&webhookId[]="):
        got = project.get(f"{path}?{query}", headers={"Accept": "application/x-ndjson, application/json"})
        assert got.status == 400, (query, got)


@pytest.mark.parametrize("name", ["mode", "target", "probe"])
def test_members_of_redrives_alone_are_400_elsewhere(project, name):
    assert start(project, "purge", {"all": True, name: True}).code == "unknown-field"


def test_discard_needs_a_reason(project):
    assert start(project, "discard", {"all": True}).code == "missing-field"


def test_without_a_key_400(project):
    got = project.post("/v1/dlq/bulk-re-drive", {"all": True})
    assert got.status == 400 and got.code == "idempotency-key-required"


def test_plan_without_the_capability_403(stack):
    got = start(stack.project(plan="free"), "re-drive", {"all": True})
    assert got.status == 403 and got.json()["requiredCapability"] == "bulkRedrive"


def test_pointer_names_the_filter(project):
    assert start(project, "purge", {"filters": {"state": "opn"}}).pointers() == ["/filters/state"]


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_plan_of_what_can_be_done(project, letters):
    got = plan(project, "re-drive", {"all": True, "ratePerSecond": 2})
    assert got == {"matched": 3, "eligible": 3, "ineligible": {}, "webhooks": 1, "estimatedSeconds": 2,
                   "expiringBeforeTurn": 0, "truncated": False}
    assert project.rows("bulk_operations") == 0


def test_plan_names_causes(project, letters):
    project.post(f"/v1/dlq/{letters[0]['id']}/discard", {"reason": "r"})
    ids = [e["id"] for e in letters] + [str(uuid.uuid4())]
    got = plan(project, "re-drive", {"ids": ids})
    assert (got["matched"], got["eligible"], got["ineligible"], got["notFound"]) == (3, 2, {"discarded": 1}, 1)
    assert plan(project, "restore", {"ids": ids})["ineligible"] == {"not-discarded": 2}
    project.patch(f"/v1/webhooks/{letters[0]['webhookId']}", {"enabled": False}, headers={"If-Match": "*"})
    assert plan(project, "re-drive", {"all": True})["ineligible"] == {"endpoint-disabled": 2}
    project.delete(f"/v1/webhooks/{letters[0]['webhookId']}")
    assert plan(project, "re-drive", {"all": True})["ineligible"] == {"webhook-deleted": 2}
    assert plan(project, "purge", {"all": True})["eligible"] == 3



def test_delivery_names_its_entry(project, letters):
    one, other = letters[0], letters[1]
    ids = [one["deliveryId"], one["id"], other["deliveryId"][4:], str(uuid.uuid4())]
    assert plan(project, "purge", {"ids": ids})["matched"] == 2
    op = ended(project, made(project, "discard", {"ids": ids, "reason": "r"}))
    assert op["counts"]["succeeded"] == op["counts"]["total"] == 2
    assert {e["id"] for e in project.entries(state="discarded")} == {one["id"], other["id"]}


def test_search_chooses_a_set(project, letters):
    filters = {"q": '"n": 1}', "from": "-1h"}
    assert plan(project, "discard", {"filters": filters})["matched"] == 1
    assert plan(project, "discard", {"filters": {**filters, "q": "needle"}})["matched"] == 0
    op = ended(project, made(project, "discard", {"filters": filters, "reason": "r"}))
    assert op["counts"]["total"] == 1 and op["query"]["filters"]["q"] == filters["q"]
    assert [e["id"] for e in project.entries(state="discarded")] == [letters[1]["id"]]


def test_search_for_a_set_that_would_read_too_much(project, peer):
    fill(project, 100_001, peer.url("/ok"))
    filters = {"q": '"n":77}', "from": "-1h"}
    for body in ({"dryRun": True}, {}):
        got = project.post("/v1/dlq/bulk-re-drive", {"filters": filters, **body}, headers={"Idempotency-Key": f"wide-{len(body)}"})
        assert got.status == 422 and got.code == "search-too-wide" and got.json()["errors"][0]["pointer"] == "/filters/q"
    assert project.rows("bulk_operations") == 0
    project.stack.sql("DELETE FROM dead_letters WHERE project_id = %s AND id = (SELECT max(id::text)::uuid FROM dead_letters"
                      " WHERE project_id = %s)", [project.number, project.number])
    assert plan(project, "re-drive", {"filters": filters})["matched"] == 1


def test_repeated_id_is_one_entry(project, letters):
    ids = [letters[0]["id"]] * 3 + [letters[1]["id"], letters[1]["id"][4:].upper(), str(uuid.uuid4())]
    got = plan(project, "purge", {"ids": ids})
    assert (got["matched"], got["eligible"], got["notFound"]) == (2, 2, 1)
    op = made(project, "purge", {"ids": ids, "expectTotal": 2})
    assert op["counts"]["total"] == 2 and op["query"]["ids"] == 3
    assert ended(project, op)["counts"]["succeeded"] == 2 and entries_in(project, "open") == 1


def test_plan_counts_what_expires_before_its_turn(project, letters):
    at_once = plan(project, "re-drive", {"all": True, "ratePerSecond": 100})
    slowly = plan(project, "re-drive", {"all": True, "ratePerSecond": 0.01})
    assert (at_once["expiringBeforeTurn"], slowly["expiringBeforeTurn"]) == (0, 0)
    project.stack.sql("UPDATE projects SET retention_s = 3600 WHERE id = %s", [project.number])
    project.stack.sql("UPDATE dead_letters SET created_at = created_at - interval '3550 seconds' WHERE project_id = %s",
                      [project.number])
    assert plan(project, "re-drive", {"all": True, "ratePerSecond": 0.01})["expiringBeforeTurn"] == 3
    assert plan(project, "re-drive", {"all": True, "ratePerSecond": 100})["expiringBeforeTurn"] == 0


# --- the set ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [
    {"all": True}, {"filters": {"eventType": "order.paid"}}, {"filters": {"channel": ["c0", "c1", "c2"]}},
    {"filters": {"from": "-1h", "classification": "permanent"}}, {"filters": {"failureReason": ["http_4xx"], "statusCode": 400}},
    {"filters": {"state": "open", "replayable": True}},
])
def test_sets_that_name_all_three(project, letters, which):
    op = made(project, "discard", which)
    assert op["counts"]["total"] == 3 and op["kind"] == "discard"
    assert op["state"] in ("planned", "running")  # the maintainer may be at it already
    assert ended(project, op)["state"] == "completed"
    assert entries_in(project, "discarded") == 3


def test_filters_are_those_of_the_list(project, letters):
    hook = letters[0]["webhookId"]
    for filters, n in (({"channel": "c1"}, 1), ({"webhookId": [hook], "channel": ["c0", "c2"]}, 2), ({"to": "-1h"}, 0),
                       ({"subscriptionId": hook}, 3), ({"fingerprint": letters[0]["fingerprint"]}, 3), ({"generation": 1}, 0)):
        assert plan(project, "purge", {"filters": filters})["matched"] == n, filters
        assert len(project.entries(**filters)) == n


def test_relative_times_are_resolved_once_and_shown(project, letters):
    op = made(project, "re-drive", {"filters": {"from": "-1h"}})
    assert op["query"]["filters"]["from"].endswith("Z")


def test_nothing_matched_is_completed(project):
    op = made(project, "re-drive", {"all": True})
    assert op["state"] == "completed" and op["counts"]["total"] == 0 and op["finishedAt"]


def test_most_items_takes_the_oldest(project, letters):
    op = made(project, "discard", {"all": True, "maxItems": 2})
    assert op["truncated"] is True and op["counts"]["total"] == 2
    ended(project, op)
    assert [e["id"] for e in project.entries()] == [letters[2]["id"]]


def test_expected_total_that_changed_is_409(project, letters):
    got = start(project, "purge", {"all": True, "expectTotal": 2})
    assert got.status == 409 and got.code == "count-changed" and "3" in got.json()["detail"]
    assert start(project, "purge", {"all": True, "expectTotal": 4}).code == "count-changed"
    assert project.rows("bulk_operations") == project.stack.value("SELECT count(*) FROM bulk_items i JOIN bulk_operations o"
        " ON o.number = i.operation WHERE o.project_id = %s", [project.number]) == 0
    assert start(project, "purge", {"all": True, "expectTotal": 3}).status == 202


def test_what_comes_later_is_not_in_the_set(project, peer, letters):
    op = made(project, "discard", {"all": True, "startAt": project.stack.value("SELECT dlo_iso(dlo_now() + interval '2 s')")})
    late = project.dead_letter(peer)
    assert ended(project, op)["counts"]["total"] == 3
    assert [e["id"] for e in project.entries()] == [late["id"]]


def test_one_key_is_one_operation(project, letters):
    headers = {"Idempotency-Key": "one"}
    first = project.post("/v1/dlq/bulk-re-drive", {"all": True}, headers=headers)
    again = project.post("/v1/dlq/bulk-re-drive", {"all": True}, headers=headers)
    assert again.status == 202 and again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert first.headers["location"].endswith("/v1/bulk-operations/" + first.json()["id"])
    assert project.post("/v1/dlq/bulk-re-drive", {"ids": [letters[0]["id"]]}, headers=headers).status == 422


def test_one_key_is_one_operation_also_when_the_answer_was_never_kept(project, letters):
    headers = {"Idempotency-Key": "crashed"}
    first = project.post("/v1/dlq/bulk-re-drive", {"all": True}, headers=headers)
    project.stack.sql("DELETE FROM idempotency_keys")
    again = project.post("/v1/dlq/bulk-re-drive", {"all": True}, headers=headers)
    assert again.status == 202 and again.json()["id"] == first.json()["id"]
    assert project.rows("bulk_operations") == 1


# --- re-driving -------------------------------------------------------------------------------------------------------


def test_redrive_of_all(project, peer, letters):
    op = made(project, "re-drive", {"all": True, "name": "n", "reason": "r"})
    after = ended(project, op)
    assert after["state"] == "completed" and after["counts"]["succeeded"] == 3
    assert (after["name"], after["reason"], after["mode"], after["ratePerSecond"]) == ("n", "r", "snapshot", 100)
    assert after["createdBy"].startswith("key_") and after["etaSeconds"] is None
    assert [i["entryId"] for i in after["items"]] == [e["id"] for e in letters]
    assert {i["outcome"] for i in after["items"]} == {"succeeded"}
    assert entries_in(project, "resolved") == 3 and project.rows("redrives") == 0
    assert sorted(r.headers["x-replayed-from"] for r in peer.requests(project.path)) == sorted(e["id"] for e in letters)
    assert project.delivery(after["items"][0]["deliveryId"])["replayOf"] == letters[0]["id"]


def test_what_cannot_be_taken_is_skipped_with_its_cause(project, letters):
    first, second, third = (e["id"] for e in letters)
    project.post(f"/v1/webhooks/{letters[0]['webhookId']}/pause")
    project.post(f"/v1/dlq/{first}/re-drive")
    project.post(f"/v1/dlq/{second}/discard", {"reason": "r"})
    op = made(project, "re-drive", {"ids": [first, second, third]})
    eventually(lambda: operation(project, op)["counts"]["sent"] == 1)
    assert [(i["outcome"], i["cause"]) for i in items(project, op)] == [
        ("skipped", "already-replaying"), ("skipped", "discarded"), ("sent", None)]
    assert [i["entryId"] for i in items(project, op, outcome="sent")] == [third]
    assert len(items(project, op, outcome="skipped")) == 2 and items(project, op, outcome="failed") == []
    project.post(f"/v1/webhooks/{letters[0]['webhookId']}/resume")
    after = ended(project, op)
    assert after["state"] == "completed" and after["counts"]["skipped"] == 2 and after["counts"]["succeeded"] == 1
    assert [i["entryId"] for i in items(project, op, outcome="succeeded")] == [third]


def test_cancelled_redrive_is_a_cancelled_item_and_its_entry_open(project, letters):
    project.post(f"/v1/webhooks/{letters[0]['webhookId']}/pause")
    op = made(project, "re-drive", {"ids": [letters[0]["id"]]})
    item = eventually(lambda: items(project, op, outcome="sent"))[0]
    assert project.post(f"/v1/deliveries/{item['deliveryId']}/cancel").status == 200
    after = ended(project, op)
    assert after["cancelledItems"] == after["counts"]["skipped"] == 1 and after["state"] == "completed"
    assert items(project, op)[0]["outcome"] == "cancelled" and items(project, op)[0]["deliveryId"] == item["deliveryId"]
    assert project.entry(letters[0]["id"])["state"] == "open"


def test_failed_items_and_only_they_again(project, peer, letters):
    hook = letters[0]["webhookId"]
    refuse = peer.path("/status/400")
    project.patch(f"/v1/webhooks/{hook}", {"url": peer.url(refuse)}, headers={"If-Match": "*"})
    op = made(project, "re-drive", {"all": True, "name": "first"})
    after = ended(project, op)
    assert after["state"] == "completed_with_failures" and after["counts"]["failed"] == 3
    project.patch(f"/v1/webhooks/{hook}", {"url": peer.url(project.path)}, headers={"If-Match": "*"})
    got = project.post(f"/v1/bulk-operations/{op['id']}/retry-failed")
    assert got.status == 202 and got.json()["retryOf"] == op["id"] and got.json()["name"] == "first"
    again = ended(project, got.json())
    assert again["counts"]["succeeded"] == again["counts"]["total"] == 3
    assert [i["newEntryId"] for i in items(project, op, outcome="failed")] == [i["entryId"] for i in items(project, again)]
    assert entries_in(project, "refailed") == 3 and entries_in(project, "resolved") == 3 and entries_in(project, "open") == 0


# --- letting go -------------------------------------------------------------------------------------------------------


def test_discard_and_restore(project, letters):
    ended(project, made(project, "discard", {"all": True}))
    assert project.entries(state="discarded")[0]["discarded"]["reason"] == "r"
    after = ended(project, made(project, "restore", {"all": True}))
    assert after["counts"]["succeeded"] == 3 and after["mode"] is None and after["ratePerSecond"] is None
    assert entries_in(project, "open") == 3 and entries_in(project, "discarded") == 0
    assert project.entries()[0]["discarded"] is None


def test_purge_takes_what_is_open_and_what_was_discarded(project, letters):
    project.post(f"/v1/dlq/{letters[0]['id']}/discard", {"reason": "x"})
    after = ended(project, made(project, "purge", {"all": True, "reason": "privacy"}))
    assert after["counts"]["succeeded"] == 3
    assert project.entries(state="all") == [] and entries_in(project, "all") == 0
    assert project.rows("dead_letter_bodies") == 0
    for entry in letters:
        got = project.get(f"/v1/dlq/{entry['id']}")
        assert got.status == 410 and got.code == "purged"
        assert got.json()["purged"]["reason"] == "privacy" and got.json()["purged"]["by"].startswith("key_")
    assert plan(project, "purge", {"ids": [letters[0]["id"]]})["ineligible"] == {"purged": 1}


def test_purge_of_one_leaves_a_tombstone(project, letters):
    entry = letters[0]["id"]
    assert project.delete(f"/v1/dlq/{entry}").status == 204
    for path in (entry, f"{entry}/payload", f"{entry}/attempts/1", letters[0]["deliveryId"]):
        got = project.get(f"/v1/dlq/{path}")
        assert got.status == 410 and got.code == "purged" and got.json()["purged"]["at"], path
    assert project.delete(f"/v1/dlq/{entry}").status == 410
    assert project.post(f"/v1/dlq/{entry}/re-drive").status == 410
    assert entries_in(project, "all") == 2
    (row,) = project.get("/v1/audit", query={"object": entry}).json()["data"]
    assert row["action"] == "dlq.purge"


def test_purge_leaves_no_copy_elsewhere(project, peer):
    """Not with the delivery, nor with the event, unless others have got it too."""
    told = peer.url(peer.path("/status/400?body=secret-answer"))
    for _ in range(2):
        project.webhook(told, eventTypes=["shared"])
    alone, shared = project.dead_letter(peer), project.event(type="shared", payload={"card": 1})["eventId"]
    twice = eventually(lambda: len(e := project.entries(eventType="shared")) == 2 and e)
    for entry in (alone, twice[0]):
        assert project.delete(f"/v1/dlq/{entry['id']}").status == 204
        (attempt,) = project.get(f"/v1/deliveries/{entry['deliveryId']}").json()["attempts"]
        assert not attempt["response"]["body"] and not attempt["request"]["headers"] and attempt["statusCode"] == 400
    event = project.get(f"/v1/events/{alone['eventId']}").json()
    assert event["payload"] is None and event["encoding"] is None and event["payloadPurged"] is True
    assert project.get(f"/v1/events/{shared}").json()["payload"] == '{"card": 1}'
    assert "secret-answer" in project.get(f"/v1/deliveries/{twice[1]['deliveryId']}").json()["attempts"][0]["response"]["body"]


def test_purge_of_one_keeps_the_reason(project, letters):
    assert project.call("DELETE", f"/v1/dlq/{letters[0]['id']}", {"reason": "why"}).status == 204
    assert project.get(f"/v1/dlq/{letters[0]['id']}").json()["purged"]["reason"] == "why"


def test_what_is_replaying_is_not_purged(project, letters):
    project.post(f"/v1/webhooks/{letters[0]['webhookId']}/pause")
    project.post(f"/v1/dlq/{letters[0]['id']}/re-drive")
    got = project.delete(f"/v1/dlq/{letters[0]['id']}")
    assert got.status == 409 and got.code == "not-open"


# --- steering ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def planned(project, letters):
    """An operation that begins in an hour."""
    return made(project, "re-drive", {"all": True, "startAt": project.stack.value("SELECT dlo_iso(dlo_now() + interval '1 h')")})


def act(project, op, what):
    return project.post(f"/v1/bulk-operations/{op['id']}/{what}")


def test_scheduled_start_waits(project, planned):
    stays(lambda: operation(project, planned)["state"] == "planned", 1.2)
    assert operation(project, planned)["counts"]["notStarted"] == 3


def test_pause_resume_cancel(project, planned):
    assert act(project, planned, "resume").status == 409
    assert act(project, planned, "pause").json()["state"] == "paused"
    assert act(project, planned, "pause").status == 200
    assert act(project, planned, "resume").json()["state"] == "planned"  # its time has not come
    stays(lambda: operation(project, planned)["counts"]["notStarted"] == 3, 1.2)
    project.stack.sql("UPDATE bulk_operations SET start_at = dlo_now() WHERE project_id = %s", [project.number])
    ended(project, planned)
    for what in ("pause", "resume", "cancel"):
        got = act(project, planned, what)
        assert got.status == 409 and got.code == "not-possible"


def test_cancel_of_what_has_not_begun(project, planned):
    assert act(project, planned, "cancel").json()["state"] in ("cancelling", "cancelled")
    after = ended(project, planned)
    assert after["state"] == "cancelled" and after["counts"]["notStarted"] == 3
    assert entries_in(project, "open") == 3


def test_rate_is_changed(project, planned):
    path = f"/v1/bulk-operations/{planned['id']}"
    assert project.patch(path, {"ratePerSecond": 7.5}).json()["ratePerSecond"] == 7.5
    assert project.patch(path, {"ratePerSecond": None}).json()["ratePerSecond"] == 100
    assert project.patch(path, {"ratePerSecond": 1_000_000}).status == 422
    assert project.patch(path, {"name": "x"}).status == 400
    act(project, planned, "cancel")
    ended(project, planned)
    assert project.patch(path, {"ratePerSecond": 1}).code == "not-possible"


def test_acts_are_audited(project, planned):
    act(project, planned, "pause")
    act(project, planned, "resume")
    project.stack.sql("UPDATE bulk_operations SET start_at = dlo_now() WHERE project_id = %s", [project.number])
    ended(project, planned)
    rows = project.get("/v1/audit", query={"object": planned["id"]}).json()["data"]
    assert [r["action"] for r in rows][::-1] == ["operation.create", "operation.pause", "operation.resume",
                                                "operation.start", "operation.finish"]
    assert rows[0]["actor"] == "worker" and rows[2]["actor"].startswith("key_")


def test_list_and_its_filters(project, planned):
    other = made(project, "discard", {"filters": {"channel": "none"}})
    ids = lambda **q: [o["id"] for o in project.get("/v1/bulk-operations", query=q).json()["data"]]
    assert ids() == [other["id"], planned["id"]]
    assert ids(kind="discard") == ids(state="completed") == [other["id"]]
    assert ids(state="planned,paused") == [planned["id"]] and ids(to="-1h") == []
    page = project.get("/v1/bulk-operations?limit=1").json()
    rest = project.get("/v1/bulk-operations", query={"limit": 1, "cursor": page["nextCursor"]}).json()
    assert [o["id"] for o in page["data"] + rest["data"]] == [other["id"], planned["id"]] and not rest["nextCursor"]
    assert project.get("/v1/bulk-operations?state=x").status == 400


def test_items_in_pages(project, planned):
    assert [i["item"] for i in items(project, planned, limit=2)] == [1, 2, 3]
    assert {i["outcome"] for i in items(project, planned, limit=1, outcome="notStarted")} == {"notStarted"}
    assert project.get(f"/v1/bulk-operations/{planned['id']}/items?outcome=x").status == 400


def test_operation_not_changed_is_304(project, planned):
    path = f"/v1/bulk-operations/{planned['id']}"
    tag = project.get(path).headers["etag"]
    assert project.get(path, headers={"If-None-Match": tag}).status == 304


def test_overview_shows_what_is_under_way(project, planned):
    (shown,) = project.get("/v1/overview").json()["operations"]
    assert shown["id"] == planned["id"] and shown["counts"]["total"] == 3


@pytest.mark.parametrize("what", ["pause", "resume", "cancel", "retry-failed"])
def test_acts_need_the_scope_of_what_it_does(project, planned, what):
    reader = project.limited("dlq:read,dlq:discard,dlq:purge,dlq:replay")
    got = reader.post(f"/v1/bulk-operations/{planned['id']}/{what}")
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:replay.bulk"
    assert operation(project, planned)["state"] == "planned"


def test_items_of_a_stranger_are_not_taken(stack, project, letters):
    stranger = stack.project()
    got = plan(stranger, "purge", {"ids": [e["id"] for e in letters]})
    assert got["matched"] == 0 and got["notFound"] == 3
    op = made(stranger, "purge", {"ids": [e["id"] for e in letters]})
    assert op["counts"]["total"] == 0 and entries_in(project, "open") == 3
