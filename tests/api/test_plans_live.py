"""What the programs really run, as PostgreSQL saw it: auto_explain over a tour of the API finds no sequential scan.

Catches the statements that are put together at run time (filters), which no test of files can see.
"""

import re

import pytest

from harness.wait import eventually

BIG = "events|attempts|dead_letters|dead_letter_bodies|ready|later|event_keys"
FILTERS = ["", "?state=all", "?count=exact", "?channel=a&eventType=b", "?webhookId={hook}", "?webhookId={hook}&state=all",
           "?failureReason=timeout,5xx&from=-1h&to=-1m", "?replayable=true&intentional=false", "?externalId=x&count=exact",
           "?eventType=x,y&state=all", "?customerExternalId=a,b", "?eventId={event}", "?scope=system", "?q=needle&from=-1h",
           "?scope=system&q=needle&from=-1h", "?fingerprint={group}&state=all&limit=200", "/groups", "/groups?groupBy=channel",
           "/groups?state=all", "/groups/{group}", "/export", "/export?manifest=only", "/{entry}/diff",
           "?fingerprint=" + "0" * 32, "?expiresBefore=-1m", "?generation=1&classification=permanent&statusCode=503"]


@pytest.fixture(scope="module")
def explained(make_stack, peer):
    """A stack whose backends log every plan; the log from the tour on."""
    stack = make_stack(worker=False)
    settings = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
                "auto_explain.log_nested_statements": "off"}
    for role in ("dlo_api", "dlo_worker"):
        for name, value in settings.items():
            stack.cluster.sql(f"ALTER ROLE {role} IN DATABASE {stack.database} SET {name} = '{value}'")
    stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'")
    start = stack.cluster.server.log.stat().st_size
    stack.start_worker()
    tour(stack, peer)
    with open(stack.cluster.server.log, errors="replace") as log:
        log.seek(start)
        return log.read()


def tour(stack, peer):
    eventually(lambda: stack.anybody.get("/readyz").status == 200, 30)
    project = stack.project()
    entry = eventually(lambda: project.dead_letter(peer, externalId="x"))
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(5)]})
    for query in FILTERS:
        path = "/v1/dlq" + query.format(hook=entry["webhookId"], event=entry["eventId"], group=entry["fingerprint"],
                                        entry=entry["id"])
        eventually(lambda: project.get(path).status == 200)
    for path in ("/dlq", f"/dlq/webhook/{entry['webhookId']}", f"/v1/dlq/{entry['id']}", "/v1/deliveries?status=failed",
                 f"/v1/deliveries/{entry['deliveryId']}", "/v1/events?eventType=t", f"/v1/events/{entry['eventId']}",
                 "/v1/overview", "/v1/stats", "/v1/config-warnings", f"/v1/webhooks/{entry['webhookId']}/health"):
        assert project.get(path).status == 200
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive").status == 202
    eventually(lambda: project.entries())


def plans(log):
    """(statement, plan) of each logged execution."""
    for part in re.split(r"^\d{4}-\d\d-\d\d .*?LOG:  duration: .*? plan:$", log, flags=re.M)[1:]:
        body = "\n".join(line for line in part.splitlines() if line.startswith("\t"))
        text, _, plan = body.partition("(cost=")
        yield text, plan


def test_tour_was_logged(explained):
    assert len(list(plans(explained))) > 50


def test_no_statement_of_the_tour_walks_a_whole_table(explained):
    found = {}
    for text, plan in plans(explained):
        for table in re.findall(rf"Seq Scan on ((?:{BIG})(?:_[dw]\d+|_held)?)\b", plan):
            found.setdefault(re.sub(r"_(?:[dw]\d+|held)$", "", table), text[:600])
    assert not found, "\n".join(f"{table}: {text}" for table, text in found.items())
