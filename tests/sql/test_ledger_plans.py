"""Lists over a filled ledger: what a page reads and sorts is bounded by the page, not by what there is."""

import re

import pytest

from harness.ledger import fill
from harness.wait import eventually

ENTRIES = 6000
# filters that have an index of their own, with the number of scans (states times values) that one page may take
FILTERS = [("", 1), ("?state=all", 6), ("?state=discarded", 1), ("?eventType=type.3", 1), ("?eventType=nothing", 1),
           ("?eventType=type.3,type.4&state=all", 12), ("?customerExternalId=c17", 1), ("?externalId=x4711", 1),
           ("?failureReason=timeout", 1), ("?failureReason=internal", 1), ("?intentional=true", 1),
           ("?webhookId={hook}", 1), ("?fingerprint={group}&state=all", 6), ("?eventId={event}", 1)]


@pytest.fixture(scope="module")
def measured(make_stack, peer):
    """A stack that logs every plan with what it really read, and a full ledger in it."""
    stack = make_stack()
    project = stack.project(days=7)
    entry = project.dead_letter(peer)
    fill(stack, project, ENTRIES, groups=100, payload_bytes=10)
    eventually(lambda: stack.value("SELECT count(*) FROM group_deltas") == 0, 30)
    settings = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
                "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off"}
    for name, value in settings.items():
        stack.cluster.sql(f"ALTER ROLE dlo_api IN DATABASE {stack.database} SET {name} = '{value}'")
    stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'"
                      " AND usename = 'dlo_api'")
    eventually(lambda: stack.anybody.get("/readyz").status == 200, 30)
    return stack, project, entry


def explained(stack, call):
    log = stack.cluster.server.log
    start = log.stat().st_size
    call()
    with open(log, errors="replace") as text:
        text.seek(start)
        return text.read()


def rows_of(plan, node):
    """What the nodes of a kind really gave or read, rows times loops, and what they threw away."""
    found = 0
    for match in re.finditer(rf"{node}[^\n]*\(actual rows=(\d+) loops=(\d+)\)((?:\n\t(?!\s*->)[^\n]*)*)", plan):
        removed = re.search(r"Rows Removed by Filter: (\d+)", match[3])
        found += (int(match[1]) + int(removed[1] if removed else 0)) * int(match[2])
    return found


@pytest.mark.parametrize("query, scans", FILTERS, ids=[q or "none" for q, _ in FILTERS])
def test_page_reads_no_more_than_its_scans(measured, query, scans):
    stack, project, entry = measured
    path = "/v1/dlq" + query.format(hook=entry["webhookId"], event=entry["eventId"], group=entry["fingerprint"])
    log = explained(stack, lambda: project.get(path))
    plan = next(p for p in re.split(r"LOG:  duration", log) if "dead_letters d WHERE" in p and "LATERAL" in p)
    assert rows_of(plan, "(?:Index Scan|Index Only Scan|Bitmap Heap Scan)[^\n]* on dead_letters") <= 4 * scans * 51 + 100, plan
    assert rows_of(plan, "Sort") <= 4 * scans * 51, plan
    assert "Seq Scan on dead_letters" not in plan
