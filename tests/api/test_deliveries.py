"""/v1/deliveries: what waits, what is over, what is held, and cancelling."""

import pytest

from harness.wait import eventually


@pytest.fixture
def waiting(project):
    """A delivery that is held by a paused webhook."""
    hook = project.webhook("https://example.com/")
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    project.event(externalId="x1", channel="orders", customerExternalId="c1")
    return project.deliveries()[0]


def test_delivered(project, peer):
    project.webhook(peer.url(peer.path()))
    made = project.event(externalId="x1")
    row = eventually(lambda: project.deliveries(status="delivered"))[0]
    one = project.delivery(row["id"])
    assert one["eventId"] == made["eventId"] and one["externalId"] == "x1"
    assert one["status"] == one["effectiveStatus"] == "delivered" and one["attemptCount"] == 1
    assert one["finishedAt"] and one["nextAttemptAt"] is None and one["entryId"] is None
    (attempt,) = one["attempts"]
    assert attempt["outcome"] == "delivered" and attempt["statusCode"] == 204 and attempt["n"] == 1


def test_dead_lettered(project, peer):
    entry = project.dead_letter(peer)
    one = project.delivery(entry["deliveryId"])
    assert one["status"] == one["effectiveStatus"] == "failed" and one["entryId"] == entry["id"]
    assert one["attempts"] == entry["attempts"]


def test_waiting_for_a_retry(project, peer):
    project.webhook(peer.url(peer.path("/status/503")), retrySchedule=[3600])
    project.event()
    row = eventually(lambda: [d for d in project.deliveries(status="pending") if d["attemptCount"] == 1])[0]
    assert row["nextAttemptAt"] > row["createdAt"] and row["heldBecause"] is None
    assert project.delivery(row["id"])["attempts"][0]["outcome"] == "tempfail"


def test_held_says_why_and_until_when(waiting):
    assert waiting["status"] == "pending" and waiting["heldBecause"] == "paused"
    assert waiting["heldUntil"] > waiting["createdAt"] and waiting["nextAttemptAt"] is None


def test_effective_status_follows_the_redrives(project, peer):
    path = peer.path("/flaky/2")
    project.webhook(peer.url(path), maxAttempts=1)
    project.event()
    first = project.wait_entry()
    for expected in ("failed", "delivered"):
        entry = eventually(lambda: project.entries())[0]
        project.post(f"/v1/dlq/{entry['id']}/re-drive")
        eventually(lambda: project.delivery(first["deliveryId"])["effectiveStatus"] == expected
                   and (expected == "delivered" or project.entries()))
    assert project.delivery(first["deliveryId"])["status"] == "failed"


FILTERS = [({"status": "pending"}, 1), ({"status": "delivered"}, 0), ({"status": "pending,failed"}, 1), ({"held": "true"}, 1),
           ({"held": "false"}, 0), ({"externalId": "x1"}, 1), ({"externalId": "x2"}, 0), ({"channel": "orders"}, 1),
           ({"channel": "x"}, 0), ({"customerExternalId": "c1"}, 1), ({"eventType": "order.paid"}, 1), ({"eventType": "x"}, 0),
           ({"from": "-5m"}, 1), ({"to": "-5m"}, 0)]


@pytest.mark.parametrize("filters, n", FILTERS, ids=[str(f) for f, _ in FILTERS])
def test_filter(project, waiting, filters, n):
    assert len(project.deliveries(**filters)) == n


def test_filter_by_webhook_and_event(project, waiting):
    assert project.deliveries(webhookId=waiting["webhookId"]) == project.deliveries(eventId=waiting["eventId"]) == [waiting]
    assert project.deliveries(subscriptionId=waiting["webhookId"]) == [waiting]


@pytest.mark.parametrize("query", ["status=lost", "held=maybe", "webhookId=x", "eventId=x", "nope=1", "from=x", "limit=0"])
def test_bad_filter_is_400(project, query):
    assert project.get(f"/v1/deliveries?{query}").status == 400


def test_pages_are_the_list(project):
    hook = project.webhook("https://example.com/")
    project.post(f"/v1/webhooks/{hook['id']}/pause")
    for _ in range(7):
        project.event()
    whole = [d["id"] for d in project.deliveries()]
    seen, cursor = [], None
    while cursor or not seen:
        page = project.get("/v1/deliveries", query={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [d["id"] for d in page["data"]]
        cursor = page["nextCursor"]
    assert seen == whole and len(set(seen)) == 7


def test_one_event_to_two_webhooks_is_two_deliveries(project, peer):
    for _ in range(2):
        project.webhook(peer.url(peer.path()))
    made = project.event()
    rows = eventually(lambda: len(rows := project.deliveries(eventId=made["eventId"], status="delivered")) == 2 and rows)
    assert len({r["id"] for r in rows}) == len({r["webhookId"] for r in rows}) == 2


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_cancelled_delivery_makes_no_entry(project, waiting):
    got = project.post(f"/v1/deliveries/{waiting['id']}/cancel")
    assert got.status == 200 and got.json()["status"] == "cancelled"
    assert project.deliveries(status="cancelled")[0]["id"] == waiting["id"]
    assert project.rows("ready") == project.rows("dead_letters") == 0


def test_cancelling_twice_is_409(project, waiting):
    project.post(f"/v1/deliveries/{waiting['id']}/cancel")
    assert project.post(f"/v1/deliveries/{waiting['id']}/cancel").status == 409


def test_cancelling_what_is_over_is_409(project, peer):
    entry = project.dead_letter(peer)
    assert project.post(f"/v1/deliveries/{entry['deliveryId']}/cancel").status == 409


def test_cancelling_what_waits_for_a_retry(project, peer):
    path = peer.path("/status/503")
    project.webhook(peer.url(path), retrySchedule=[3600])
    project.event()
    row = eventually(lambda: [d for d in project.deliveries() if d["attemptCount"] == 1])[0]
    got = project.post(f"/v1/deliveries/{row['id']}/cancel").json()
    assert got["status"] == "cancelled" and got["attemptCount"] == 1 and len(got["attempts"]) == 1
    assert project.rows("later") == 0


def test_cancelled_redrive_leaves_its_entry_open(project, peer):
    entry = project.dead_letter(peer)
    project.post(f"/v1/webhooks/{entry['webhookId']}/pause")
    made = project.post(f"/v1/dlq/{entry['id']}/re-drive").json()
    assert project.post(f"/v1/deliveries/{made['deliveryId']}/cancel").status == 200
    after = project.entry(entry["id"])
    assert after["state"] == "open" and after["replayable"] is True
    assert project.get("/v1/dlq?count=exact").json()["total"] == 1
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive").status == 202


def test_cancel_is_audited(project, waiting):
    project.post(f"/v1/deliveries/{waiting['id']}/cancel")
    (row,) = project.get("/v1/audit", query={"object": waiting["id"]}).json()["data"]
    assert row["action"] == "delivery.cancel"


@pytest.mark.parametrize("id", ["x", "dlv_01kb0000000000000000000000", "dlq_01kb0000000000000000000000"])
def test_unknown_and_malformed_ids_are_404(project, id):
    assert project.get(f"/v1/deliveries/{id}").status == 404
    assert project.post(f"/v1/deliveries/{id}/cancel").status == 404
    assert project.post(f"/v1/deliveries/{id}/replay").status == 404
