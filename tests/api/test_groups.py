"""/v1/dlq/groups: entries that failed alike, counted by the maintainer, decided upon by people."""

import pytest

from harness.wait import eventually

ANY = {"If-Match": "*"}
OTHER = "0" * 32


def groups(project, **query):
    got = project.get("/v1/dlq/groups", query=query)
    assert got.status == 200, got
    return got.json()["data"]


def group_of(project, fingerprint):
    got = project.get(f"/v1/dlq/groups/{fingerprint}")
    assert got.status == 200, got
    return got.json()


def settled(project, n):
    """The groups, once as many open entries are counted in them as there are."""
    def counted():
        found = groups(project, limit=200)
        return sum(g["count"] for g in found) == n and found

    return eventually(counted)


class Shop:
    def __init__(self, stack, peer):
        self.project = project = stack.project()
        self.hooks = {}
        for kind, mode in (("g.bad", "/status/400?body=order+17+is+unknown"), ("g.down", "/status/503")):
            self.hooks[kind] = project.webhook(peer.url(peer.path(mode, record=False)), eventTypes=[kind], maxAttempts=1)["id"]
        for n in range(4):
            project.event(type="g.bad", channel="orders" if n % 2 else "stock", customerExternalId=f"c{n}")
        project.event(type="g.down")
        eventually(lambda: len(project.entries(limit=200)) == 5)
        settled(project, 5)


@pytest.fixture(scope="module")
def shop(stack, peer):
    return Shop(stack, peer)


def test_groups_are_counted(shop):
    found = groups(shop.project)
    assert [g["count"] for g in sorted(found, key=lambda g: -g["count"])] == [4, 1]
    four = max(found, key=lambda g: g["count"])
    assert four["webhookId"] == shop.hooks["g.bad"] and four["failureReason"] == "http_4xx"
    assert four["lastStatusCode"] == 400 and four["counts"] == {"1h": 4, "24h": 4, "7d": 4}
    assert four["total"] == 4 and four["state"] == "open" and four["version"] == 1 and four["other"] is False
    rows = shop.project.entries(fingerprint=four["fingerprint"])
    assert four["lastSeenAt"] == rows[0]["createdAt"] and four["firstSeenAt"] == rows[-1]["createdAt"]
    assert four["sampleEntryId"] in [row["id"] for row in rows] and four["lastError"]


def test_group_says_why(shop):
    one = group_of(shop.project, groups(shop.project, webhookId=shop.hooks["g.bad"])[0]["fingerprint"])
    assert one["why"] == {"version": 1, "webhookId": shop.hooks["g.bad"], "failureReason": "http_4xx", "statusCode": 400,
                          "template": one["why"]["template"]}
    assert "order" in one["why"]["template"] and "17" not in one["why"]["template"]
    assert len(one["samples"]) == 4


@pytest.mark.parametrize("query, counts", [
    ({"statusCode": "503"}, [1]), ({"statusCode": "400,503"}, [4, 1]), ({"statusCode": "404"}, []),
    ({"channel": "orders"}, [2]), ({"state": "all"}, [4, 1]), ({"state": "discarded"}, []),
    ({"failureReason": "5xx"}, [1]), ({"from": "-1h"}, [4, 1]), ({"to": "-1h"}, []), ({"triage": "open"}, [4, 1]),
    ({"triage": "resolved"}, []), ({"groupBy": "webhookId"}, [4, 1]), ({"groupBy": "failureReason"}, [4, 1]),
    ({"groupBy": "statusCode"}, [4, 1]), ({"groupBy": "eventType"}, [4, 1]), ({"groupBy": "channel"}, [2, 2, 1]),
    ({"groupBy": "customerExternalId"}, [1, 1, 1, 1, 1]), ({"groupBy": "classification"}, [4, 1]),
    ({"groupBy": "channel", "eventType": "g.bad"}, [2, 2]),
], ids=str)
def test_groups_of_a_filter(shop, query, counts):
    got = shop.project.get("/v1/dlq/groups", query=query).json()
    assert sorted((g["count"] for g in got["data"]), reverse=True) == counts
    assert got["complete"] is True


def test_more_groups_than_the_limit_are_told_of(shop):
    for by, n in (("customerExternalId", 5), ("webhookId", 2)):
        got = shop.project.get("/v1/dlq/groups", query={"groupBy": by, "limit": n - 1}).json()
        assert len(got["data"]) == n - 1 and got["complete"] is False
        assert shop.project.get("/v1/dlq/groups", query={"groupBy": by, "limit": n}).json()["complete"] is True


def test_reason_is_counted_by_fingerprint(shop):
    got = groups(shop.project, failureReason="5xx")
    assert [(g["failureReason"], g["total"], g["state"]) for g in got] == [("http_5xx", 1, "open")]


def test_keys_are_what_the_filter_takes(shop):
    for by in ("webhookId", "failureReason", "statusCode", "eventType", "fingerprint", "classification"):
        for group in groups(shop.project, groupBy=by, **{"from": "-1h"}):
            assert len(shop.project.entries(**{by: group["key"]})) == group["count"], by


@pytest.mark.parametrize("query", ["groupBy=x", "triage=closed", "groupBy=channel&triage=open", "q=abc&from=-1h", "nope=1",
                                   "limit=0", "webhookId=x", "cursor=abc"])
def test_bad_queries_are_400(shop, query):
    assert shop.project.get(f"/v1/dlq/groups?{query}").status == 400


@pytest.mark.parametrize("fingerprint", ["x", "f" * 32, "f" * 31, OTHER])
def test_unknown_group_is_404(shop, fingerprint):
    assert shop.project.get(f"/v1/dlq/groups/{fingerprint}").status == 404
    assert shop.project.patch(f"/v1/dlq/groups/{fingerprint}", {"state": "parked"}, headers=ANY).status == 404


def test_pages_of_groups(project, peer):
    for _ in range(5):
        project.dead_letter(peer)
    whole = [g["fingerprint"] for g in settled(project, 5)]
    seen, cursor = [], None
    while True:
        page = project.get("/v1/dlq/groups", query={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [g["fingerprint"] for g in page["data"]]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert seen == whole


# --- counting ------------------------------------------------------------------------------------------------------------


def test_counts_follow_what_becomes_of_entries(project, peer):
    entry = project.dead_letter(peer)
    fingerprint = entry["fingerprint"]
    settled(project, 1)
    project.post(f"/v1/dlq/{entry['id']}/discard", {"reason": "r"})
    eventually(lambda: groups(project) == [])
    assert group_of(project, fingerprint)["count"] == 0 and group_of(project, fingerprint)["total"] == 1
    project.post(f"/v1/dlq/{entry['id']}/restore")
    settled(project, 1)
    project.post(f"/v1/dlq/{entry['id']}/re-drive")
    again = project.wait_entry(generation=1)
    assert again["fingerprint"] == fingerprint
    eventually(lambda: group_of(project, fingerprint)["total"] == 2)
    assert group_of(project, fingerprint)["count"] == 1


def test_what_expires_leaves_the_groups(stack, peer, clock):
    project = stack.project(days=2)
    entry = project.dead_letter(peer)
    settled(project, 1)
    clock("3 days")
    eventually(lambda: group_of(project, entry["fingerprint"])["count"] == 0)
    assert groups(project) == []


def test_carrying_changes_no_count(stack, project, peer):
    """An UPDATE that moves rows between drawers, as carry_entries does."""
    entry = project.dead_letter(peer)
    settled(project, 1)
    stack.sql("UPDATE dead_letters SET drawer = drawer + 1 WHERE project_id = %s", [project.number])
    stack.sql("UPDATE dead_letter_bodies SET drawer = drawer + 1 WHERE project_id = %s", [project.number])
    eventually(lambda: stack.value("SELECT count(*) FROM group_deltas") == 0)
    assert group_of(project, entry["fingerprint"])["count"] == 1 and group_of(project, entry["fingerprint"])["total"] == 1


def test_at_most_a_thousand_groups_the_rest_is_other(stack, project, peer):
    project.dead_letter(peer)
    settled(project, 1)
    make = """
        INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state,
               reason, permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint,
               event_type)
        SELECT o.drawer, o.project_id, gen_random_uuid(), o.webhook_id, gen_random_uuid(), o.event_id, dlo_now(), dlo_now(),
               1, 3, true, false, 400, 1, 0, 1, decode(md5(%(t)s || g::text), 'hex'), %(t)s
          FROM (SELECT * FROM dead_letters WHERE project_id = %(p)s LIMIT 1) o, generate_series(1, %(n)s) g"""
    stack.sql(make, {"t": "m", "p": project.number, "n": 1100})
    other = eventually(lambda: (g := project.get(f"/v1/dlq/groups/{OTHER}")).status == 200 and g.json())
    eventually(lambda: stack.value("SELECT count(*) FROM group_deltas") == 0)
    assert other["other"] is True and other["count"] == 101 and other["webhookId"] is None
    rows = stack.sql("SELECT sum(open), count(*) FROM dlq_groups WHERE project_id = %s", [project.number])
    assert rows == [(1101, 1001)]
    stack.sql("UPDATE dead_letters SET state = 5 WHERE project_id = %s AND event_type = 'm'", [project.number])
    eventually(lambda: stack.value("SELECT sum(open) FROM dlq_groups WHERE project_id = %s", [project.number]) == 1)
    assert stack.value("SELECT min(open) FROM dlq_groups WHERE project_id = %s", [project.number]) == 0
    stack.sql(make, {"t": "later", "p": project.number, "n": 1})
    settled(project, 2)
    assert group_of(project, OTHER)["count"] == 0


# --- triage ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(project, peer):
    fingerprint = project.dead_letter(peer)["fingerprint"]
    settled(project, 1)
    return f"/v1/dlq/groups/{fingerprint}"


def test_triage(project, group):
    tag = project.get(group).headers["etag"]
    change = {"state": "acknowledged", "assignee": "kim", "note": "waits for them", "link": "https://tracker.test/1"}
    got = project.patch(group, change, headers={"If-Match": tag})
    assert got.status == 200 and {k: got.json()[k] for k in change} == change
    assert got.json()["version"] == 2 and got.headers["etag"] != tag and got.json()["decidedBy"].startswith("key_")
    assert project.patch(group, change, headers={"If-Match": tag}).status == 412
    cleared = project.patch(group, {"note": None, "assignee": ""}, headers=ANY).json()
    assert cleared["note"] is None and cleared["assignee"] is None and cleared["link"] == change["link"]
    audit = [a for a in project.get("/v1/audit").json()["data"] if a["action"] == "group.triage"]
    assert len(audit) == 2 and audit[1]["detail"]["before"]["state"] == "open"
    assert audit[1]["detail"]["after"]["assignee"] == "kim"


def test_triage_needs_if_match(project, group):
    assert project.patch(group, {"state": "parked"}).status == 428


@pytest.mark.parametrize("body, status", [({"state": "closed"}, 400), ({"state": 1}, 400), ({"x": 1}, 400),
                                          ({"link": "javascript:alert(1)"}, 422), ({"note": "x" * 5000}, 400),
                                          ({"link": "https://" + "x" * 3000}, 400)])
def test_bad_triage(project, group, body, status):
    got = project.patch(group, body, headers=ANY)
    assert got.status in (status, 422), got
    assert project.get(group).json()["version"] == 1


def test_resolved_group_opens_again_on_recurrence(stack, project, peer):
    hook = project.webhook(peer.url(peer.path("/status/400", record=False)), eventTypes=["again"])
    project.event(type="again")
    fingerprint = settled(project, 1)[0]["fingerprint"]
    path = f"/v1/dlq/groups/{fingerprint}"
    assert project.patch(path, {"state": "resolved"}, headers=ANY).json()["state"] == "resolved"
    assert [g["fingerprint"] for g in groups(project, triage="resolved")] == [fingerprint]
    assert groups(project, triage="open,acknowledged,parked") == []
    project.event(type="again")
    settled(project, 2)
    one = project.get(path).json()
    assert one["state"] == "open" and one["version"] == 3 and one["webhookId"] == hook["id"]
    assert "group.reopen" in [a["action"] for a in project.get("/v1/audit").json()["data"]]


def test_parked_group_stays_parked(project, peer):
    project.webhook(peer.url(peer.path("/status/400", record=False)), eventTypes=["park"])
    project.event(type="park")
    fingerprint = settled(project, 1)[0]["fingerprint"]
    project.patch(f"/v1/dlq/groups/{fingerprint}", {"state": "parked"}, headers=ANY)
    project.event(type="park")
    settled(project, 2)
    assert group_of(project, fingerprint)["state"] == "parked"
