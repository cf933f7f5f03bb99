"""The ledger's statements over a filled ledger, with their parameters bound as the programs bind them: none walks a whole
table, and what it reads and sorts is bounded by the page, not by what there is."""

import itertools
import json

import pytest

from harness.ledger import fill
from harness.plans import log_plans, plans_of, restart_backends
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
           ("?generation=3", 1), ("?replayable=true", 1), ("?from=-2d&to=-1d", 1), ("?to=-4d", 1)]
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
    return "/v1/dlq" + query.format(hook=entry["webhookId"], event=entry["eventId"], group=entry["fingerprint"],
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
