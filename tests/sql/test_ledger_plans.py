"""The ledger's statements over a filled ledger, with their parameters bound as the programs bind them: none walks a whole
table, and what it reads and sorts is bounded by the page, not by what there is."""

import itertools
import json
import re

import pytest

from harness.ledger import fill
from harness.plans import log_plans, plans_of
from harness.wait import eventually

ENTRIES = 20000
PAGE = 51      # a page and the row that says whether there is another
DRAWERS = 92   # each of them may be asked for its first row
LEDGER = "dead_letters|dead_letter_bodies"
BIG = LEDGER + "|events|attempts|ready|later|redrives|bulk_items|dlq_groups|group_buckets"
# filters with the number of ordered scans (states times values) that one page of theirs takes
FILTERS = [("", 1), ("?state=all", 6), ("?state=discarded", 1), ("?eventType=type.3", 1), ("?eventType=nothing", 1),
           ("?eventType=type.3,type.4&state=all", 12), ("?customerExternalId=c17", 1), ("?externalId=x4711", 1),
           ("?failureReason=timeout", 1), ("?failureReason=internal", 1), ("?intentional=true", 1),
           ("?webhookId={hook}", 1), ("?fingerprint={group}&state=all", 6), ("?eventId={event}", 1),
           ("?channel=channel.3", 1), ("?channel=nothing", 1), ("?statusCode=404", 1), ("?statusCode=599", 1),
           ("?generation=3", 1), ("?replayable=true", 1), ("?replayable=false", 1),
           ("?classification=permanent", 1), ("?classification=transient_exhausted", 1), ("?from=-2d&to=-1d", 1), ("?to=-4d", 1),
           ("?expiresBefore=2099-01-01T00:00:00Z", 1),
           # what was dead-lettered in an hour is read whole, and so is its neighbour
           ("?occurredTo=-4d", 3), ("?occurredFrom=-2d", 3), ("?occurredFrom=-3d&occurredTo=-2d", 3), ("?occurredTo=-9d", 1),
           ("?occurredFrom=2099-01-01T00:00:00Z", 1)]
keys = itertools.count(1)


@pytest.fixture(scope="module")
def measured(make_stack, peer):
    """A stack that logs every plan with what it really read, and a full ledger in it."""
    stack = make_stack()
    project = stack.project(days=7)
    entry = project.dead_letter(peer)
    fill(stack, project, ENTRIES, groups=100, payload_bytes=10)
    eventually(lambda: stack.value("SELECT count(*) FROM group_deltas") == 0, 30)
    project.path = peer.path()
    project.patch(f"/v1/webhooks/{entry['webhookId']}", {"url": peer.url(project.path)}, headers={"If-Match": "*"})
    stack.sql("ANALYZE")
    log_plans(stack)
    return stack, project, entry


def path_of(entry, query):
    return ("" if query.startswith("/v1") else "/v1/dlq") + query.format(hook=entry["webhookId"], event=entry["eventId"], group=entry["fingerprint"],
                                    entry=entry["id"])


def asked(measured, query, status=200):
    """The plans of all that one GET ran."""
    stack, project, entry = measured

    def get():
        got = project.get(path_of(entry, query))
        assert got.status == status, got

    found = plans_of(stack, get)
    assert found
    return [p for p in found if "$1" in p.statement]  # not what the programs' other connections did meanwhile


def only(plans, *words):
    """The one plan whose statement has all the words."""
    found = [p for p in plans if all(w in p.statement for w in words)]
    assert len(found) == 1, [p.statement[:200] for p in plans]
    return found[0]


@pytest.mark.parametrize("query, scans", FILTERS, ids=[q or "none" for q, _ in FILTERS])
def test_page_reads_no_more_than_its_scans(measured, query, scans):
    plan = only(asked(measured, query), "dead_letters d WHERE")
    assert plan.read(LEDGER) <= 2 * scans * PAGE + DRAWERS, plan
    assert plan.sorted() <= scans * PAGE, plan
    assert not plan.sequential(BIG), plan


def test_page_far_behind_reads_no_more(measured):
    stack, project, entry = measured
    cursor = None
    for _ in range(20):
        cursor = project.get("/v1/dlq", query={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()["nextCursor"]
    plan = only(asked(measured, f"?cursor={cursor}"), "dead_letters d WHERE")
    assert plan.read(LEDGER) <= 2 * PAGE + DRAWERS, plan
    assert plan.sorted() <= PAGE, plan


def test_entry_is_looked_up(measured):
    for plan in asked(measured, "/{entry}"):
        assert not plan.sequential(BIG) and plan.read(LEDGER) <= 2, plan


@pytest.mark.parametrize("query", ["/groups", "/groups?statusCode=404", "/groups?triage=open", "/groups/{group}"])
def test_groups_read_their_counters(measured, query):
    """A page of groups, its newest entries and steps; of a single one also its samples."""
    for plan in asked(measured, query):
        assert not plan.sequential(BIG), plan
        assert plan.read(LEDGER) <= 6 * PAGE + DRAWERS, plan
        assert plan.sorted() <= PAGE, plan


def test_groups_by_a_key_read_no_more_than_their_bound(measured):
    plan = only(asked(measured, "/groups?groupBy=channel"), "row_number()")
    assert not plan.sequential(BIG) and plan.read(LEDGER) <= 10000 + DRAWERS, plan
    assert plan.sorted() <= PAGE, plan


@pytest.mark.parametrize("query", ["?count=exact&limit=1", "?count=exact&limit=1&channel=channel.3&state=all"])
def test_count_reads_counters_only(measured, query):
    plan = only(asked(measured, query), "dlq_counts")
    assert not plan.sequential(BIG) and plan.read(LEDGER) == 0 and plan.sorted() == 0, plan


def test_count_of_rows_stops(measured):
    plan = only(asked(measured, "?count=exact&limit=1&to=-1m"), "SELECT count(*), dlo_now() FROM")
    assert not plan.sequential(BIG) and plan.read(LEDGER) <= 2 * 10001, plan


def test_search_reads_chunks(measured):
    for plan in asked(measured, "?from=-7d&q=needle"):
        assert not plan.sequential(BIG) and plan.read(LEDGER) <= 2 * 2000 + DRAWERS, plan
        assert plan.sorted() <= PAGE, plan


def test_export_reads_chunks(measured):
    stack, project, _ = measured
    plans = plans_of(stack, lambda: project.get("/v1/dlq/export", headers={"Accept": "application/x-ndjson"}))
    chunks = [p for p in plans if "$1" in p.statement and p.scans(LEDGER)]
    assert len(chunks) > 2 * ENTRIES * 0.8 / 500
    for plan in chunks:
        assert not plan.sequential(BIG) and plan.read(LEDGER) <= 2 * 500 + DRAWERS, plan
        assert plan.sorted() <= 500, plan


def test_overview_is_bounded(measured):
    """Nothing of it grows with the ledger but the counters: a day's entries are counted by the hour."""
    for plan in asked(measured, "/v1/overview"):
        assert not plan.sequential(BIG) and plan.read(LEDGER) <= 1000 + 6 * DRAWERS, plan


# --- many at once -----------------------------------------------------------------------------------------------------


def bulk(measured, kind, body):
    """The plans of a bulk call and of its operation up to its end; the operation."""
    stack, project, _ = measured
    made = []

    def run():
        got = project.post(f"/v1/dlq/bulk-{kind}", body, headers={"Idempotency-Key": f"plans-{next(keys)}"})
        assert got.status in (200, 202), got
        made.append(got.json())
        if got.status == 202 and "startAt" not in body:
            eventually(lambda: project.get(f"/v1/bulk-operations/{made[0]['id']}").json()["finishedAt"], 60)

    return plans_of(stack, run), made[0]


def test_plan_of_everything_reads_it_once_in_order(measured):
    plans, said = bulk(measured, "re-drive", {"all": True, "dryRun": True})
    plan = only(plans, "WITH p AS MATERIALIZED", "summed")
    assert said["matched"] > ENTRIES * 0.8
    assert not plan.sequential(BIG) and plan.read(LEDGER) <= said["matched"] + DRAWERS, plan
    assert plan.sorted() <= PAGE, plan


@pytest.mark.parametrize("body", [{"all": True}, {"filters": {"webhookId": "{hook}"}}, {"filters": {"eventType": "type.3"}},
                                  {"filters": {"statusCode": 404, "from": "-4d"}}])
def test_freeze_reads_its_set_once_in_order(measured, body):
    body = json.loads(json.dumps(body).replace("{hook}", measured[2]["webhookId"]))
    far = measured[0].value("SELECT dlo_iso(dlo_now() + interval '1 day')")
    plans, said = bulk(measured, "re-drive", {**body, "startAt": far})
    plan = only(plans, "INSERT INTO bulk_items")
    total = said["counts"]["total"]
    assert total > 100
    assert not plan.sequential(LEDGER) and plan.read(LEDGER) <= 8 * total + DRAWERS, plan
    assert plan.sorted() == 0, plan  # of one webhook; of several the set is sorted once, as a lane's items stand together


@pytest.mark.parametrize("how, statement", [({"dryRun": True}, "summed"), ({}, "INSERT INTO bulk_items")], ids=["plan", "freeze"])
def test_ids_are_looked_up(measured, how, statement):
    """Whatever there is beside them, and once each."""
    stack, project, _ = measured
    ids = [row[0] for row in stack.sql("SELECT dlo_id('dlq', id) FROM dead_letters WHERE project_id = %s AND state = 1"
                                       " AND event_type = 'type.9' LIMIT 200", [project.number])]
    far = {} if how else {"startAt": stack.value("SELECT dlo_iso(dlo_now() + interval '1 day')")}
    plans, said = bulk(measured, "re-drive", {"ids": ids + ids[:50], **how, **far})
    assert (said["matched"] if how else said["counts"]["total"]) == 200
    plan = only(plans, statement)
    assert not plan.sequential(LEDGER) and plan.read(LEDGER) <= 2 * 200, plan
    assert plan.sorted() <= 200, plan


@pytest.mark.parametrize("kind, statement, extra", [("re-drive", "operation_feed", {"ratePerSecond": 1000}),
                                                    ("discard", "operation_settle", {"reason": "r"}),
                                                    ("restore", "operation_settle", {}), ("purge", "operation_settle", {})])
def test_items_are_taken_by_their_places(measured, kind, statement, extra):
    """Each turn looks its items up, and changes their rows by their keys or where they lie, whatever there is beside them."""
    stack, project, _ = measured
    stack.sql("UPDATE projects SET bulk_rate = 1000 WHERE id = %s", [project.number])
    plans, said = bulk(measured, kind, {"filters": {"eventType": "type.7"}, "maxItems": 200, **extra})
    turns = [p for p in plans if re.search(r"dlo_operation_(turn|take)\(\$1", p.statement)]
    assert said["counts"]["total"] == 200 and turns
    for plan in plans:
        assert not plan.sequential(LEDGER + "|ready|later|redrives|bulk_items"), plan
        assert plan.read(LEDGER) <= 500, plan
    assert max(p.sorted() for p in turns) <= 2 * 200  # for the counts each is two: what it was, what it becomes
    moves = [p for p in plans if p.statement.strip().startswith("UPDATE dead_letters d")]
    scans = [n for p in moves for n in p.scans("dead_letters")]
    assert scans and all(n.kind in ("Tid Scan", "ModifyTable") or n.index.endswith("_pkey") for n in scans), moves[0]
