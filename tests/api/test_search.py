"""?q= and ?scope=system of /v1/dlq: a bounded search in payloads, and the events that no webhook took."""

import time

import pytest

from harness.wait import eventually


@pytest.fixture(scope="module")
def shop(stack, peer):
    project = stack.project()
    hook = project.webhook(peer.url(peer.path("/status/400", record=False)), eventTypes=["s.bad"])
    for n in range(12):
        project.event(type="s.bad", payload={"n": n, "who": "needle" if n % 3 == 0 else "straw", "uni": "Zoë"})
    eventually(lambda: len(project.entries(limit=200)) == 12)
    project.hook = hook["id"]
    return project


def search(project, **query):
    got = project.get("/v1/dlq", query={"from": "-1h", **query})
    assert got.status == 200, got
    return got.json()


def test_search_finds_what_payloads_contain(shop):
    page = search(shop, q="needle")
    assert len(page["data"]) == 4 and page["complete"] is True and page["searched"] == 12
    assert page["nextCursor"] is None
    assert page["searchedTo"] == shop.entries()[-1]["createdAt"]
    assert page["data"] == sorted(page["data"], key=lambda r: (r["createdAt"], r["id"]), reverse=True)


def test_search_combines_with_filters(shop):
    assert len(search(shop, q="needle", eventType="s.bad", webhookId=shop.hook)["data"]) == 4
    assert search(shop, q="needle", eventType="other")["data"] == []
    assert search(shop, q="needle", state="discarded")["data"] == []


def test_search_goes_on_from_its_cursor(shop):
    seen, cursor = [], None
    for _ in range(10):
        page = search(shop, q="needle", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [row["id"] for row in page["data"]]
        cursor = page["nextCursor"]
        assert page["complete"] is (cursor is None)
        if cursor is None:
            break
    assert seen == [row["id"] for row in search(shop, q="needle")["data"]]


def test_search_compares_bytes(shop):
    assert search(shop, q="NEEDLE")["data"] == []
    assert len(search(shop, q="Zo\\u00eb")["data"]) == 12  # the client of the tests writes escapes


@pytest.mark.parametrize("query, code", [("q=abc", "window-required"), ("q=a&from=-1h", "bad-filter"),
                                         ("q=" + "x" * 201 + "&from=-1h", "bad-filter"),
                                         ("q=abc&from=-1h&count=exact", "bad-filter"),
                                         ("q=abc&q=def&from=-1h", "repeated-parameter")])
def test_bad_search_is_400(shop, query, code):
    got = shop.get(f"/v1/dlq?{query}")
    assert got.status == 400 and got.code == code


def test_search_without_the_scope_is_403(shop):
    got = shop.limited("dlq:read").get("/v1/dlq?q=abc&from=-1h")
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:payload"


def test_search_is_bounded_and_says_how_far_it_came(stack, project, peer):
    """More entries than one request reads: it ends in between, and its cursor reaches the rest."""
    entry = project.dead_letter(peer)
    stack.sql("""
        WITH k AS (SELECT g, gen_random_uuid() AS id FROM generate_series(1, 21000) g),
        d AS (INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at,
              state, reason, permanent, intentional, last_status, attempt_count, generation, fingerprint_version,
              fingerprint, event_type)
          SELECT o.drawer, o.project_id, k.id, o.webhook_id, k.id, k.id, o.created_at - k.g * interval '1 ms',
                 o.created_at, 1, 3, true, false, 400, 1, 0, 1, o.fingerprint, 'x'
            FROM dead_letters o, k WHERE o.project_id = %(p)s),
        b AS (INSERT INTO dead_letter_bodies (drawer, project_id, id, url, attempts, payload)
          SELECT o.drawer, o.project_id, k.id, '', '[]', convert_to('{"g":' || k.g || '}', 'UTF8')
            FROM dead_letters o, k WHERE o.project_id = %(p)s)
        SELECT 1""", {"p": project.number})
    first = search(project, q='"g":21000}')
    assert first["data"] == [] and first["complete"] is False and first["searched"] <= 20000 + 2000
    assert first["searchedTo"] < entry["createdAt"]
    page = first
    for _ in range(20):
        if page["complete"] or page["data"]:
            break
        page = search(project, q='"g":21000}', cursor=page["nextCursor"])
    assert len(page["data"]) == 1


def test_two_searches_of_a_project_at_once_429(stack, project, shop):
    """The place is the project's: seen from the shared page, so a long one is held while another asks."""
    import threading
    answers = []

    def ask():
        answers.append(shop.get("/v1/dlq", query={"q": "needle", "from": "-1h"}).status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert set(answers) <= {200, 429} and 200 in answers


# --- the system scope ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lost(stack):
    project = stack.project()
    for n in range(3):
        assert project.event(type="nobody.wants", channel="c1", payload={"n": n}, externalId=f"u{n}",
                             customerExternalId="k")["status"] == "unroutable"
    return project


def test_unroutable_events_are_entries_of_the_system_scope(lost):
    rows = lost.entries(scope="system")
    assert len(rows) == 3 and lost.entries() == []
    row = rows[0]
    assert row["failureReason"] == "unroutable" and row["scope"] == "system" and row["state"] == "open"
    assert row["webhookId"] is None and row["destination"] is None and row["attemptCount"] == 0
    assert row["replayable"] is True and row["eventType"] == "nobody.wants" and row["channel"] == "c1"


@pytest.mark.parametrize("filters, n", [
    ({}, 3), ({"eventType": "nobody.wants"}, 3), ({"eventType": "x"}, 0), ({"channel": "c1"}, 3), ({"externalId": "u1"}, 1),
    ({"customerExternalId": "k"}, 3), ({"failureReason": "unroutable"}, 3), ({"failureReason": "timeout"}, 0),
    ({"state": "all"}, 3), ({"state": "discarded"}, 0), ({"from": "-1h"}, 3), ({"to": "-1h"}, 0),
])
def test_filters_of_the_system_scope(lost, filters, n):
    page = lost.get("/v1/dlq", query={"scope": "system", "count": "exact", **filters}).json()
    assert len(page["data"]) == n and page["total"] == n


def test_pages_of_the_system_scope(lost):
    first = lost.get("/v1/dlq?scope=system&limit=2").json()
    rest = lost.get("/v1/dlq", query={"scope": "system", "limit": 2, "cursor": first["nextCursor"]}).json()
    assert [r["id"] for r in first["data"] + rest["data"]] == [r["id"] for r in lost.entries(scope="system")]


def test_what_can_be_routed_again_is_replayable(lost):
    rows = lost.entries(scope="system", replayable="true")
    assert len(rows) == 3 and all(r["replayable"] for r in rows) and lost.entries(scope="system", replayable="false") == []


def test_search_in_the_system_scope(lost):
    assert len(search(lost, scope="system", q='"n": 1}')["data"]) == 1


def test_detail_of_a_system_entry(lost):
    row = lost.entries(scope="system", externalId="u1")[0]
    entry = lost.entry(row["id"])
    assert entry["originalMessage"]["payload"] == '{"n": 1}' and entry["attempts"] == []
    assert lost.get(f"/v1/dlq/{row['id']}/payload").body == b'{"n": 1}'


def test_system_entry_cannot_be_discarded_nor_purged(lost):
    row = lost.entries(scope="system")[0]
    for got in (lost.post(f"/v1/dlq/{row['id']}/discard", {"reason": "r"}), lost.delete(f"/v1/dlq/{row['id']}")):
        assert got.status == 409 and got.code == "system-scope"


def test_system_entry_of_another_project_is_404(lost, project):
    row = lost.entries(scope="system")[0]
    assert project.get(f"/v1/dlq/{row['id']}").status == 404
    assert project.entries(scope="system") == []


def test_system_entry_has_no_original_target(lost):
    row = lost.entries(scope="system")[0]
    got = lost.post(f"/v1/dlq/{row['id']}/re-drive", {"target": "original"})
    assert got.status == 422 and got.code == "not-available" and got.json()["errors"][0]["pointer"] == "/target"
    assert lost.entries(scope="system")[0]["id"] == row["id"]


def test_redriving_a_system_entry_routes_it_again(stack, project, peer):
    project.event(type="late.taker", payload={"x": 1}, externalId="late")
    row = project.entries(scope="system")[0]
    refused = project.post(f"/v1/dlq/{row['id']}/re-drive")
    assert refused.status == 409 and refused.code == "unroutable"
    path = peer.path("/status/204")
    project.webhook(peer.url(path), eventTypes=["late.*"])
    made = project.post(f"/v1/dlq/{row['id']}/re-drive")
    assert made.status == 202 and made.json()["deliveries"] == 1 and made.json()["replayOf"] == row["id"]
    assert made.json()["eventId"] == row["eventId"]
    delivery = project.wait_delivery(eventId=row["eventId"], status="delivered")
    assert delivery["externalId"] == "late"
    assert project.entries(scope="system") == []
    assert project.post(f"/v1/dlq/{row['id']}/re-drive").status == 404
    assert [a["action"] for a in project.get("/v1/audit").json()["data"]].count("dlq.route") == 1


# --- warnings and statistics -----------------------------------------------------------------------------------------------


def test_warning_per_type_and_channel(stack, project, peer):
    for n in range(3):
        project.event(type="w.one", channel="c1", payload=n)
    project.event(type="w.one")
    project.post("/v1/events/batch", {"events": [{"eventType": "w.two", "payload": n} for n in range(5)]})

    def warnings():
        got = project.get("/v1/config-warnings").json()["data"]
        return {(w["eventType"], w["channel"]): (w["count"], w["unroutable"]) for w in got}

    expected = {("w.one", "c1"): (3, 3), ("w.one", None): (1, 1), ("w.two", None): (5, 5)}
    eventually(lambda: warnings() == expected)
    assert project.entries() == [] and project.get("/v1/overview").json()["open"] == 0
    project.webhook(peer.url(peer.path("/ok")), eventTypes=["w.two"])
    for row in project.entries(scope="system", eventType="w.two"):
        assert project.post(f"/v1/dlq/{row['id']}/re-drive").status == 202
    assert warnings() == {k: v for k, v in expected.items() if k[0] == "w.one"}


def test_pages_of_warnings(stack, project):
    for n in range(5):
        project.event(type=f"p.{n}")
    eventually(lambda: len(project.get("/v1/config-warnings").json()["data"]) == 5)
    seen, cursor = [], None
    while True:
        page = project.get("/v1/config-warnings", query={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [w["eventType"] for w in page["data"]]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert sorted(seen) == [f"p.{n}" for n in range(5)]


def test_warnings_are_bounded(stack, project):
    for start in range(0, 1100, 550):
        project.post("/v1/events/batch", {"events": [{"eventType": f"b.{n}", "payload": 0} for n in range(start, start + 550)]})
    eventually(lambda: stack.value("SELECT sum(n) FROM config_warnings WHERE project_id = %s", [project.number]) == 1100)
    assert stack.value("SELECT count(*) FROM config_warnings WHERE project_id = %s", [project.number]) == 1001
    other = [w for w in project.get("/v1/config-warnings?limit=200").json()["data"] if w["other"]]
    assert len(other) <= 1


def test_stats_count_by_hour_webhook_and_reason(project, peer):
    hooks = [project.dead_letter(peer, mode)["webhookId"] for mode in ("/status/400", "/status/404")]

    def stats(**query):
        got = project.get("/v1/stats", query=query)
        assert got.status == 200, got
        return got.json()

    data = eventually(lambda: len(found := stats()["data"]) == 2 and found)
    assert {row["webhookId"] for row in data} == set(hooks)
    assert all(row["count"] == 1 and row["failureReason"] == "http_4xx" and row["at"].endswith(":00:00.000Z") for row in data)
    assert stats()["stepSeconds"] == 3600 and stats(step="day")["stepSeconds"] == 86400
    assert len(stats(step="day")["data"]) == 2
    assert [row["webhookId"] for row in stats(webhookId=hooks[0])["data"]] == [hooks[0]]
    assert stats(failureReason="timeout")["data"] == [] and stats(to="-2h")["data"] == []


@pytest.mark.parametrize("query", ["step=minute", "webhookId=x", "failureReason=x", "from=x", "nope=1"])
def test_bad_stats_are_400(shop, query):
    assert shop.get(f"/v1/stats?{query}").status == 400
