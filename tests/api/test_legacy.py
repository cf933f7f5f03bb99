"""Seed 000's three routes, to the letter, also as curl sends them."""

import re
import subprocess
import uuid

import pytest

from harness.wait import eventually

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
ROW = {"id", "delivery_id", "webhook_id", "event_id", "last_error", "error_count", "created_at", "updated_at"}
UNKNOWN = "0198f2a0-0000-7000-8000-000000000000"


def rows(project):
    return project.get("/dlq").json()["data"]


@pytest.fixture
def row(project, peer):
    project.dead_letter(peer)
    return rows(project)[0]


def test_list_shape(project, row):
    got = project.get("/dlq")
    assert got.status == 200 and got.headers["content-type"] == "application/json"
    assert got.json()["pagination"] == {"page": 1, "limit": 50, "total": 1, "pages": 1}
    assert set(row) == ROW | {"webhook_url", "event_type"}
    for name in ("id", "delivery_id", "webhook_id", "event_id"):
        assert UUID.match(row[name]), name
    assert row["error_count"] == 1 and row["last_error"] == "HTTP 400"
    assert row["webhook_url"].startswith("http://127.0.0.1:") and row["event_type"].startswith("only.")
    assert re.match(r"^\d{4}-\d\d-\d\dT.*Z$", row["created_at"])


def test_empty_list(project):
    assert project.get("/dlq").json() == {"data": [], "pagination": {"page": 1, "limit": 50, "total": 0, "pages": 0}}


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "1e3", "%20"])
def test_page_that_is_no_positive_integer_is_the_first(project, page):
    got = project.get(f"/dlq?page={page}")
    assert got.status == 200 and got.json()["pagination"]["page"] == 1


def test_page_behind_the_last_is_empty(project, row):
    got = project.get("/dlq?page=2").json()
    assert got["data"] == [] and got["pagination"] == {"page": 2, "limit": 50, "total": 1, "pages": 1}


@pytest.mark.parametrize("page, status", [("2000", 200), ("2001", 400), ("99999999999999999999", 400)])
def test_pages_end_at_100000_rows(project, page, status):
    got = project.get(f"/dlq?page={page}")
    assert got.status == status
    if status == 400:
        assert got.headers["content-type"] == "application/json" and list(got.json()) == ["error"]


def test_pages_hold_fifty(project, peer):
    hook = project.webhook(peer.url(peer.path("/status/400")), expectedStatuses=[400])  # the circuit stays closed
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(53)]})
    eventually(lambda: project.get("/dlq").json()["pagination"]["total"] == 53)
    one, two = project.get("/dlq?page=1").json(), project.get("/dlq?page=2").json()
    assert (len(one["data"]), len(two["data"])) == (50, 3) and one["pagination"]["pages"] == 2
    assert len({r["id"] for r in one["data"] + two["data"]}) == 53
    assert len(project.get(f"/dlq/webhook/{hook['id']}").json()) == 53


def test_webhooks_list_is_a_bare_array(project, row):
    got = project.get(f"/dlq/webhook/{row['webhook_id']}").json()
    assert [r["id"] for r in got] == [row["id"]]
    assert ROW <= set(got[0]) and "webhook_url" not in got[0]


def test_webhooks_list_takes_the_prefixed_id(project, row, peer):
    hook = project.entries()[0]["webhookId"]
    assert project.get(f"/dlq/webhook/{hook}").json()[0]["id"] == row["id"]


def test_unknown_webhook_has_an_empty_list(project):
    got = project.get(f"/dlq/webhook/{UNKNOWN}")
    assert got.status == 200 and got.json() == []


def test_retry_answers_with_the_id_of_the_path(project, row):
    project.post(f"/v1/webhooks/{row['webhook_id']}/pause")
    got = project.post(f"/dlq/{row['delivery_id']}/retry")
    assert got.status == 200 and got.headers["content-type"] == "application/json"
    assert got.json() == {"message": "Delivery requeued", "delivery_id": row["delivery_id"]}


def test_retry_is_200_again_while_pending_and_makes_one_delivery(project, row):
    project.post(f"/v1/webhooks/{row['webhook_id']}/pause")
    assert [project.post(f"/dlq/{row['delivery_id']}/retry").status for _ in range(3)] == [200] * 3
    assert project.rows("redrives") == 1 and rows(project) == []


def test_retry_of_what_was_resolved_is_404(project, peer):
    path = peer.path("/flaky/1")
    hook = project.webhook(peer.url(path), maxAttempts=1)
    project.event()
    row = eventually(lambda: rows(project))[0]
    assert project.post(f"/dlq/{row['delivery_id']}/retry").status == 200
    eventually(lambda: project.entries(state="resolved", webhookId=hook["id"]))
    got = project.post(f"/dlq/{row['delivery_id']}/retry")
    assert got.status == 404 and got.json() == {"error": "Delivery not found in DLQ"}


def test_retry_that_failed_again_can_be_retried_by_its_new_row(project, row):
    project.post(f"/dlq/{row['delivery_id']}/retry")
    again = eventually(lambda: rows(project))[0]
    assert again["delivery_id"] != row["delivery_id"] and again["event_id"] == row["event_id"]
    assert project.post(f"/dlq/{again['delivery_id']}/retry").status == 200


@pytest.mark.parametrize("id", [UNKNOWN, "nope", "1", "%20"])
def test_retry_of_an_unknown_delivery(project, id):
    got = project.post(f"/dlq/{id}/retry")
    assert got.status == 404 and got.headers["content-type"] == "application/json"
    assert got.json() == {"error": "Delivery not found in DLQ"}


def test_retry_of_a_deleted_webhooks_delivery(project, row):
    project.delete(f"/v1/webhooks/{row['webhook_id']}")
    got = project.post(f"/dlq/{row['delivery_id']}/retry")
    assert got.status == 404 and got.json() == {"error": "Delivery or webhook not found"}


def curl(project, path, *words):
    url = f"http://127.0.0.1:{project.port}{path}"
    done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {project.key}", *words, url],
                          capture_output=True, text=True, timeout=30)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_curl_post_without_a_body_is_served(project, row):
    """lighttpd by itself answers 411 with HTML to a POST without Content-Length."""
    project.post(f"/v1/webhooks/{row['webhook_id']}/pause")
    status, body = curl(project, f"/dlq/{row['delivery_id']}/retry", "-X", "POST")
    assert status == 200 and '"Delivery requeued"' in body


@pytest.mark.parametrize("act", ["pause", "resume", "retry-now"])
def test_curl_post_without_a_body_is_served_on_v1_too(project, act):
    hook = project.webhook("https://example.com/")
    status, body = curl(project, f"/v1/webhooks/{hook['id']}/{act}", "-X", "POST")
    assert status == 200 and body.startswith("{")


def test_curl_post_without_a_body_is_still_judged(project):
    assert curl(project, f"/dlq/{UNKNOWN}/retry", "-X", "POST") == (404, '{"error":"Delivery not found in DLQ"}')
    assert curl(project, "/v1/webhooks", "-X", "POST")[0] in (400, 415)
    status, body = curl(project, "/v1/dlq", "-X", "POST")
    assert status == 405 and "method-not-allowed" in body


def test_curl_post_without_a_body_keeps_its_request_id(project, row):
    name = f"req-{uuid.uuid4()}"
    project.post(f"/v1/webhooks/{row['webhook_id']}/pause")
    curl(project, f"/dlq/{row['delivery_id']}/retry", "-X", "POST", "-H", f"X-Request-Id: {name}")
    assert project.get("/v1/audit", query={"action": "dlq.redrive"}).json()["data"][0]["requestId"] == name


def test_body_of_a_retry_is_not_looked_at(project, row):
    project.post(f"/v1/webhooks/{row['webhook_id']}/pause")
    assert project.post(f"/dlq/{row['delivery_id']}/retry", b"anything").status == 200


def test_errors_have_the_seeds_form(stack, project):
    for got in (stack.anybody.get("/dlq"), project.limited("events:read").get("/dlq"), project.get("/dlq?nope=1")):
        assert got.status in (400, 401, 403)
        assert got.headers["content-type"] == "application/json" and isinstance(got.json()["error"], str)


def test_view_has_the_seeds_columns(project, row):
    with project.stack.connect() as conn:
        cursor = conn.execute("SELECT * FROM dead_letter_queue WHERE id = %s", [row["id"]])
        assert {c.name for c in cursor.description} == ROW
        (kept,) = cursor.fetchall()
    assert str(kept[1]) == row["delivery_id"] and kept[5] == 1


def test_metric_line_is_logged(stack):
    eventually(lambda: "[METRIC] dlq.size=" in stack.processes["worker"].tail(1000))
