"""Our own news on the channel $dlq: what is told, to whom, how often, and that no notice causes another."""

import itertools
import json

import pytest

from harness.process import ROOT
from harness.wait import eventually, stays
from worker_helpers import verify

ADDED = {"title", "severity", "messageId", "originalChannel"}


def wired(what, *files):
    """Whether a part of the sender that these tests wait for is there."""
    return any(what in path.read_text() for name in files for path in ROOT.glob(name))


@pytest.fixture
def entry(project, peer):
    """An entry made while nobody listened."""
    return project.dead_letter(peer, payload={"id": 'ord_1 "ü"'}, channel="orders", customerExternalId="c_1",
                               externalId=f"x{next(numbers)}")


numbers = itertools.count(1)


def listener(project, peer, **fields):
    """A webhook on our channel; what it got is read by `got`."""
    path = peer.path()
    return {**project.webhook(peer.url(path), **{"channels": ["$dlq"], **fields}), "path": path}


def tell(project, entry, times=1):
    """What the statement that makes an entry writes."""
    project.stack.sql("INSERT INTO notices (project_id, type, webhook_id, entry_id, entry_drawer)"
                      " SELECT project_id, 'dlq.entry.created', webhook_id, id, drawer FROM dead_letters, generate_series(1, %s)"
                      " WHERE project_id = %s AND dlo_id('dlq', id) = %s", [times, project.number, entry["id"]])


def tell_webhook(project, hook, type, **detail):
    project.stack.sql("INSERT INTO notices (project_id, type, webhook_id, detail) SELECT project_id, %s, id, %s FROM webhooks"
                      " WHERE project_id = %s AND dlo_id('whk', public_id) = %s",
                      [type, json.dumps(detail), project.number, hook["id"]])


def consumed(project):
    eventually(lambda: project.rows("notices") == 0)


def got(peer, hook, n=1):
    return [json.loads(r.body) for r in peer.wait(hook["path"], n)]


# --- what is told -----------------------------------------------------------------------------------------------------


def test_new_entry_is_told_as_lists_show_it(project, peer, entry):
    hook = listener(project, peer)
    tell(project, entry)
    body = got(peer, hook)[0]
    row = project.entries(state="all")[0]
    data = body["data"]
    assert set(body) == {"type", "timestamp", "data"} and body["type"] == "dlq.entry.created"
    assert set(data) == set(row) | ADDED
    assert {k: data[k] for k in row} == row
    assert (data["title"], data["severity"]) == (f"{row['eventType']} — permanent failure", "warning")
    assert (data["messageId"], data["originalChannel"]) == (row["eventId"], "orders")


def test_notice_is_signed_and_says_what_it_is(project, peer, entry):
    hook = listener(project, peer)
    tell(project, entry)
    request = peer.wait(hook["path"])[0]
    verify(hook["secret"], request)
    assert request.headers["dlo-event-type"] == "dlq.entry.created" and request.headers["dlo-channel"] == "$dlq"
    assert request.headers["webhook-id"].startswith("evt_")


def test_entry_that_was_discarded_meanwhile_is_told_as_it_is(project, peer, entry):
    assert project.post(f"/v1/dlq/{entry['id']}/discard", {"reason": "known"}).status == 200
    hook = listener(project, peer)
    tell(project, entry)
    data = got(peer, hook)[0]["data"]
    row = project.entries(state="all")[0]
    assert {k: data[k] for k in row} == row and data["discarded"]["reason"] == "known"


def test_payload_goes_only_to_who_asked_for_it(project, peer, entry):
    plain, whole, other = listener(project, peer), listener(project, peer, dlqPayload=True), listener(project, peer)
    tell(project, entry)
    data = got(peer, whole)[0]["data"]
    assert json.loads(data["payload"]) == {"id": 'ord_1 "ü"'} and data["encoding"] == "utf-8"
    assert "payload" not in got(peer, plain)[0]["data"]
    ids = [peer.wait(h["path"])[0].headers["webhook-id"] for h in (plain, other, whole)]
    assert ids[0] == ids[1] != ids[2]


def test_payload_too_large_for_a_notice_is_left_out(project, peer):
    large = project.dead_letter(peer, payload='"' * 125000)
    hook = listener(project, peer, dlqPayload=True)
    tell(project, large)
    data = got(peer, hook)[0]["data"]
    assert data["payload"] is None and data["payloadTooLarge"] is True


def test_webhook_that_answers_410_is_told(project, peer):
    hook = listener(project, peer, eventTypes=["webhook.*"])
    gone = project.webhook(peer.url(peer.path("/gone")), name="shop", channels=["orders"])
    project.event(channel="orders")
    body = got(peer, hook)[0]
    assert body["type"] == "webhook.disabled"
    assert body["data"] == {"webhookId": gone["id"], "subscriptionId": gone["id"], "name": "shop", "severity": "warning",
                            "title": "shop — disabled", "reason": "gone: the receiver answered 410"}


def test_webhook_disabled_by_somebody_is_told(project, peer):
    hook = listener(project, peer)
    other = project.webhook(peer.url(peer.path()), channels=["orders"])
    project.patch(f"/v1/webhooks/{other['id']}", {"enabled": False}, headers={"If-Match": "*"})
    assert got(peer, hook)[0]["data"]["reason"].startswith("disabled by key_")


def test_circuit_is_told_with_its_detail(project, peer):
    hook = listener(project, peer)
    other = project.webhook(peer.url(peer.path()), channels=["orders"])
    tell_webhook(project, other, "webhook.circuit.opened", failures=16, requests=20)
    body = got(peer, hook)[0]
    assert body["type"] == "webhook.circuit.opened" and (body["data"]["failures"], body["data"]["requests"]) == (16, 20)
    assert body["data"]["title"] == f"{other['id']} — circuit opened"


# --- to whom ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields, hears", [
    ({"eventTypes": ["dlq.entry.created"]}, True), ({"eventTypes": ["dlq.*"]}, True), ({"eventTypes": ["dlq.*.created"]}, True),
    ({"eventTypes": ["webhook.*"]}, False), ({"customerExternalIds": ["c_1"]}, True), ({"customerExternalIds": ["c_2"]}, False),
    ({"channels": ["orders", "$dlq"]}, True), ({"channels": ["orders"]}, False), ({"channels": []}, False)])
def test_filters_of_a_webhook_count_for_notices(project, peer, entry, fields, hears):
    hook = listener(project, peer, **fields)
    tell(project, entry)
    consumed(project)
    assert project.stack.value("SELECT count(*) FROM events WHERE project_id = %s AND channel = '$dlq'", [project.number]) == hears
    if hears:
        got(peer, hook)


def test_webhook_is_told_of_its_own_entries(project, peer, entry):
    """They are of ordinary events: no notice ever makes one."""
    path = peer.path()
    project.patch(f"/v1/webhooks/{entry['webhookId']}", {"channels": ["$dlq"], "eventTypes": [], "url": peer.url(path)},
                  headers={"If-Match": "*"})
    tell(project, entry)
    assert json.loads(peer.wait(path)[0].body)["data"]["id"] == entry["id"]


def test_what_nobody_hears_is_dropped(project, peer, entry):
    tell(project, entry, 3)
    consumed(project)
    assert project.stack.value("SELECT told FROM projects WHERE id = %s", [project.number]) == 0
    assert project.stack.value("SELECT count(*) FROM events WHERE project_id = %s AND channel = '$dlq'", [project.number]) == 0


def test_other_projects_hear_nothing(stack, project, peer, entry):
    stranger = listener(stack.project(), peer)
    tell(project, entry)
    consumed(project)
    stays(lambda: peer.count(stranger["path"]) == 0, 1.2)


@pytest.mark.parametrize("type", ["webhook.circuit.opened", "webhook.circuit.closed", "webhook.disabled"])
def test_what_becomes_of_a_listener_is_told_to_nobody(project, peer, type):
    """Else two listeners that fail could tell each other of it for ever."""
    one, other = listener(project, peer), listener(project, peer, channels=["$dlq", "orders"])
    tell_webhook(project, one, type)
    tell_webhook(project, other, type)
    consumed(project)
    stays(lambda: peer.count(one["path"]) == peer.count(other["path"]) == 0, 1.2)


def test_unknown_notice_is_dropped(project, peer):
    hook = listener(project, peer)
    tell_webhook(project, project.webhook(peer.url(peer.path()), channels=["a"]), "webhook.invented")
    consumed(project)
    stays(lambda: peer.count(hook["path"]) == 0, 1.2)


# --- how often --------------------------------------------------------------------------------------------------------


def by_type(project):
    return dict(project.stack.sql("SELECT type, count(*) FROM events WHERE project_id = %s AND channel = '$dlq' GROUP BY 1",
                                  [project.number]))


def test_beyond_sixty_a_minute_notices_are_counted(project, peer, entry, clock):
    hook = listener(project, peer, eventTypes=["dlq.entries.*"])
    listener(project, peer, dlqPayload=True)
    listener(project, peer)
    tell(project, entry, 100)
    consumed(project)
    assert by_type(project) == {"dlq.entry.created": 120, "dlq.entries.created": 1}
    data = got(peer, hook)[0]["data"]
    assert data["count"] == 40 and data["from"] == data["to"]
    tell(project, entry, 7)
    consumed(project)
    assert got(peer, hook, 2)[1]["data"]["count"] == 7
    clock("61 seconds")
    tell(project, entry, 7)
    consumed(project)
    assert by_type(project) == {"dlq.entry.created": 134, "dlq.entries.created": 2}


def test_many_of_a_webhook_are_counted_under_their_type(project, peer):
    hook = listener(project, peer)
    other = project.webhook(peer.url(peer.path()), channels=["a"])
    project.stack.sql("INSERT INTO notices (project_id, type, webhook_id) SELECT project_id, 'webhook.disabled', id"
                      " FROM webhooks, generate_series(1, 65) WHERE project_id = %s AND dlo_id('whk', public_id) = %s",
                      [project.number, other["id"]])
    bodies = got(peer, hook, 61)
    assert [b["data"]["count"] for b in bodies if "count" in b["data"]] == [5]


def test_flood_is_taken_whole(project, peer, entry):
    listener(project, peer)
    tell(project, entry, 45000)
    consumed(project)
    counted = project.stack.sql("SELECT convert_from(payload, 'UTF8')::json #>> '{data,count}' FROM events"
                                " WHERE project_id = %s AND type = 'dlq.entries.created'", [project.number])
    assert sum(int(n) for n, in counted) == 45000 - 60


# --- with the sender --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not wired("notices", "worker/sql/complete_final.sql"), reason="entries write no notices yet")
def test_dead_letter_tells_the_listener(project, peer):
    hook = listener(project, peer)
    made = project.dead_letter(peer, channel="orders", hook={"channels": ["orders"]})
    assert got(peer, hook)[0]["data"]["id"] == made["id"]


@pytest.mark.skipif(not wired("$dlq", "worker/s*.c", "worker/classify.c", "worker/sql/complete_final.sql"),
                    reason="the sender does not know the channel yet")
def test_notice_that_fails_is_retried_and_makes_no_entry(project, peer, entry):
    hook = listener(project, peer)
    path = peer.path("/status/503")
    project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(path), "retrySchedule": [1], "maxAttempts": 2},
                  headers={"If-Match": "*"})
    tell(project, entry)
    peer.wait(path, 2)
    assert project.wait_delivery(webhookId=hook["id"], status="failed")["entryId"] is None
    assert [e["id"] for e in project.entries(state="all")] == [entry["id"]]
    stays(lambda: peer.count(path) == 2, 1.5)


def test_news_for_a_webhook_that_is_deleted_end_without_an_entry(project, peer, entry):
    hook = listener(project, peer)
    assert project.post(f"/v1/webhooks/{hook['id']}/pause", b"").status == 200
    tell(project, entry)
    consumed(project)
    eventually(lambda: project.rows("ready") == 1)
    before = project.rows("dead_letters")
    assert project.delete(f"/v1/webhooks/{hook['id']}", headers={"If-Match": "*"}).status == 204
    eventually(lambda: project.rows("ready") == 0)
    assert project.rows("dead_letters") == before
