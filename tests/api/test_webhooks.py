"""/v1/webhooks: every field and its refusals, secrets shown once, versions, pause and the rest."""

import base64
import re

import pytest

STACK = {"worker": False}
URL = "https://example.com/hook"
WHK = re.compile(r"^whk_[0-9a-hjkmnp-tv-z]{26}$")
ANY = {"If-Match": "*"}


def path(hook, act=""):
    return f"/v1/webhooks/{hook['id']}{act}"


def test_created_with_defaults(project):
    got = project.post("/v1/webhooks", {"url": URL})
    hook = got.json()
    assert got.status == 201
    assert got.headers["location"].endswith(f"/v1/webhooks/{hook['id']}")
    assert got.headers["etag"] == '"1"' and hook["version"] == 1
    assert WHK.match(hook["id"]) and hook["subscriptionId"] == hook["id"]
    expected = {"url": URL, "eventTypes": [], "channels": [], "customerExternalIds": [], "headers": {}, "signing": "v1",
                "maxAttempts": 5, "retrySchedule": [5, 60, 600, 3600], "timeoutMs": 15000, "maxConcurrency": 32,
                "holdBudgetSeconds": 86400, "enabled": True, "expectedStatuses": []}
    assert {k: hook[k] for k in expected} == expected


def test_all_fields_are_kept(project):
    sent = {"url": URL, "name": "n", "description": "d\nü", "eventTypes": ["order.*", "a.*.c"], "channels": ["orders"],
            "customerExternalIds": ["c_1"], "timeoutMs": 100, "maxAttempts": 20, "retrySchedule": [1, 86400],
            "maxConcurrency": 1000, "expectedStatuses": [404, 409], "holdBudgetSeconds": 60, "enabled": False}
    hook = project.webhook(**sent)
    shown = project.get(path(hook)).json()
    assert {k: shown[k] for k in sent} == sent


def test_secret_is_shown_once(project):
    hook = project.webhook(URL)
    assert re.match(r"^whsec_[A-Za-z0-9+/]+=*$", hook["secret"])
    assert len(base64.b64decode(hook["secret"][6:])) in range(24, 65)
    assert "secret" not in project.get(path(hook)).json()
    assert hook["secret"] not in project.get("/v1/webhooks").body.decode()
    assert hook["secret"] not in project.get("/v1/audit").body.decode()


def test_secret_is_not_readable_in_the_database(project):
    hook = project.webhook(URL, headers={"X-Token": "very-secret-value"})
    row = project.stack.value("SELECT to_jsonb(w)::text || secret_sealed::text || encode(headers_sealed, 'escape')"
                              " FROM webhooks w WHERE project_id = %s", [project.number])
    assert "very-secret-value" not in row and hook["secret"][6:] not in row
    assert base64.b64decode(hook["secret"][6:]).hex() not in row


def test_own_secret_is_taken(project):
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    assert project.webhook(URL, secret=secret)["secret"] == secret


def test_header_values_are_never_shown(project):
    hook = project.webhook(URL, headers={"X-Token": "s3cret", "X-Other": "v"})
    assert hook["headers"] == {"X-Token": None, "X-Other": None}
    for answer in (project.get(path(hook)), project.get("/v1/webhooks"), project.get("/v1/audit")):
        assert b"s3cret" not in answer.body


# field sent with the URL, status, pointer
REFUSED = [
    ({"url": None}, 400, "/url"),
    ({"url": 7}, 400, "/url"),
    ({"url": ""}, 422, "/url"),
    ({"url": "ftp://example.com/"}, 422, "/url"),
    ({"url": "https://10.0.0.1/"}, 422, "/url"),
    ({"url": "https://user:pw@example.com/"}, 422, "/url"),
    ({"url": "https://example.com:22/"}, 422, "/url"),
    ({"url": "https://example.com/" + "a" * 2050}, 422, "/url"),
    ({"nope": 1}, 400, "/nope"),
    ({"eventtypes": []}, 400, "/eventtypes"),
    ({"name": 1}, 400, "/name"),
    ({"eventTypes": "order.*"}, 400, "/eventTypes"),
    ({"eventTypes": [1]}, 400, "/eventTypes/0"),
    ({"eventTypes": ["ok", "a b"]}, 422, "/eventTypes/1"),
    ({"eventTypes": [""]}, 422, "/eventTypes/0"),
    ({"eventTypes": ["or*er"]}, 422, "/eventTypes/0"),
    ({"channels": ["a/b"]}, 422, "/channels/0"),
    ({"customerExternalIds": ["a\nb"]}, 422, "/customerExternalIds/0"),
    ({"headers": "x"}, 400, "/headers"),
    ({"headers": {"X": 1}}, 400, "/headers/X"),
    ({"headers": {"a b": "x"}}, 422, "/headers/a b"),
    ({"headers": {"": "x"}}, 422, "/headers/"),
    ({"headers": {"X": "a\r\nEvil: 1"}}, 422, "/headers/X"),
    ({"headers": {"X": "ü"}}, 422, "/headers/X"),
    ({"headers": {f"X-{n}": "v" for n in range(21)}}, 422, "/headers"),
    ({"headers": {"X": "v" * 4096}}, 422, "/headers"),
    ({"secret": 1}, 400, "/secret"),
    ({"secret": "plain"}, 422, "/secret"),
    ({"secret": "whsec_" + base64.b64encode(b"short").decode()}, 422, "/secret"),
    ({"signing": "v2"}, 422, "/signing"),
    ({"timeoutMs": 99}, 422, "/timeoutMs"),
    ({"timeoutMs": 60001}, 422, "/timeoutMs"),
    ({"timeoutMs": "100"}, 400, "/timeoutMs"),
    ({"timeoutMs": 100.5}, 400, "/timeoutMs"),
    ({"maxAttempts": 0}, 422, "/maxAttempts"),
    ({"maxAttempts": 21}, 422, "/maxAttempts"),
    ({"retrySchedule": []}, 422, "/retrySchedule"),
    ({"retrySchedule": [0]}, 422, "/retrySchedule/0"),
    ({"retrySchedule": [5, 86401]}, 422, "/retrySchedule/1"),
    ({"retrySchedule": [5] * 21}, 422, "/retrySchedule"),
    ({"retrySchedule": ["5"]}, 400, "/retrySchedule/0"),
    ({"maxConcurrency": 0}, 422, "/maxConcurrency"),
    ({"maxConcurrency": 1001}, 422, "/maxConcurrency"),
    ({"expectedStatuses": [99]}, 422, "/expectedStatuses/0"),
    ({"expectedStatuses": [600]}, 422, "/expectedStatuses/0"),
    ({"holdBudgetSeconds": -1}, 422, "/holdBudgetSeconds"),
    ({"holdBudgetSeconds": 31 * 86400}, 422, "/holdBudgetSeconds"),
    ({"enabled": "yes"}, 400, "/enabled"),
    ({"channels": ["$x"]}, 422, "/channels/0"),
    ({"channels": ["$dlq.a"]}, 422, "/channels/0"),
    ({"eventTypes": ["$dlq"]}, 422, "/eventTypes/0"),
    ({"signing": 1}, 400, "/signing"),
    ({"transform": 1}, 400, "/transform"),
    ({"transform": ""}, 422, "/transform"),
    ({"transform": "a" * 16385}, 422, "/transform"),
    ({"transform": ".a\u0001"}, 422, "/transform"),
    ({"payloadSchema": "x"}, 400, "/payloadSchema"),
    ({"payloadSchema": [1]}, 400, "/payloadSchema"),
    ({"payloadSchema": {"description": "a" * 65536}}, 422, "/payloadSchema"),
    ({"maxPayloadBytes": 0}, 422, "/maxPayloadBytes"),
    ({"maxPayloadBytes": 262145}, 422, "/maxPayloadBytes"),
    ({"maxPayloadBytes": 1.5}, 400, "/maxPayloadBytes"),
    ({"ratePerSecond": 0}, 422, "/ratePerSecond"),
    ({"ratePerSecond": -1}, 422, "/ratePerSecond"),
    ({"ratePerSecond": 1e-60}, 422, "/ratePerSecond"),
    ({"ratePerSecond": 10000.5}, 422, "/ratePerSecond"),
    ({"ratePerSecond": "5"}, 400, "/ratePerSecond"),
    ({"dlqPayload": 1}, 400, "/dlqPayload"),
]


@pytest.mark.parametrize("field, status, pointer", REFUSED, ids=[str(f)[:60] for f, _, _ in REFUSED])
def test_refused_with_its_pointer_and_nothing_made(project, field, status, pointer):
    got = project.post("/v1/webhooks", {"url": URL, **field})
    assert got.status == status, got
    assert got.pointers() == [pointer]
    assert project.rows("webhooks") == 0


RESERVED = """Host Content-Type content-length Transfer-Encoding connection TE trailer Upgrade Expect Proxy-Authorization
User-Agent Cookie webhook-id Webhook-Signature dlo-attempt DLO-x x-replayed-from X-Replay""".split()


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_header(project, name):
    got = project.post("/v1/webhooks", {"url": URL, "headers": {name: "x"}})
    assert got.status == 422 and got.code == "reserved-header"


def test_duplicate_field_is_400(project):
    got = project.post("/v1/webhooks", b'{"url":"https://example.com/","url":"https://example.org/"}',
                       headers={"Content-Type": "application/json"})
    assert got.status == 400 and got.code == "duplicate-field"


@pytest.mark.parametrize("sent", [b"x", b"[1]", b'{"url":"\xff"}', b'{"url":' + b"[" * 10000, b'"https://example.com/"'])
def test_body_that_is_no_object_is_400(project, sent):
    assert project.post("/v1/webhooks", sent, headers={"Content-Type": "application/json"}).status == 400


def test_phps_empty_headers_are_taken(project):
    assert project.webhook(URL, headers=[])["headers"] == {}


def test_schedule_and_hold_must_fit_the_plan(stack):
    free = stack.project(plan="free")
    assert free.webhook(URL)["holdBudgetSeconds"] < 86400
    got = free.post("/v1/webhooks", {"url": URL, "holdBudgetSeconds": 86400})
    assert got.status == 422 and got.code == "schedule-exceeds-retention"
    got = free.post("/v1/webhooks", {"url": URL, "retrySchedule": [80000], "maxAttempts": 3})
    assert got.status == 422


def test_plan_limits_their_number(stack):
    free = stack.project(plan="free")
    for _ in range(20):
        free.webhook(URL)
    got = free.post("/v1/webhooks", {"url": URL})
    assert got.status == 422 and got.code == "plan-limit"


def test_list_pages(project):
    made = [project.webhook(URL)["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = project.get("/v1/webhooks", query=query).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert seen == made[::-1]


# --- changing ---------------------------------------------------------------------------------------------------------


def test_patch_without_if_match_is_428(project):
    got = project.patch(path(project.webhook(URL)), {"name": "x"})
    assert got.status == 428 and got.code == "if-match-required"


@pytest.mark.parametrize("tag", ['"1"', "*", '"7", "1"', "1"])
def test_patch_with_the_version_changes(project, tag):
    hook = project.webhook(URL)
    got = project.patch(path(hook), {"name": "x"}, headers={"If-Match": tag})
    assert got.status == 200 and got.json()["name"] == "x"
    assert got.json()["version"] == 2 and got.headers["etag"] == '"2"'


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"x"', "0"])
def test_patch_with_another_version_is_412(project, tag):
    hook = project.webhook(URL)
    got = project.patch(path(hook), {"name": "x"}, headers={"If-Match": tag})
    assert got.status == 412
    assert project.get(path(hook)).json()["name"] is None


def test_patch_leaves_what_it_does_not_name(project):
    hook = project.webhook(URL, name="n", eventTypes=["a"], headers={"X-A": "v"})
    after = project.patch(path(hook), {"description": "d"}, headers=ANY).json()
    assert (after["name"], after["eventTypes"], after["headers"]) == ("n", ["a"], {"X-A": None})


@pytest.mark.parametrize("field, status, pointer", REFUSED[1:], ids=[str(f)[:60] for f, _, _ in REFUSED[1:]])
def test_patch_refuses_the_same(project, field, status, pointer):
    hook = project.webhook(URL)
    got = project.patch(path(hook), field, headers=ANY)
    assert got.pointers() == [pointer]
    # a secret is changed by rotate-secret only, whatever it is
    assert got.status == status
    assert project.get(path(hook)).json()["version"] == 1


def test_secret_cannot_be_patched(project):
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    assert project.patch(path(project.webhook(URL)), {"secret": secret}, headers=ANY).status == 422


def test_delete_is_for_good(project):
    hook = project.webhook(URL)
    assert project.delete(path(hook)).status == 204
    assert project.get(path(hook)).status == 404
    assert project.delete(path(hook)).status == 404
    assert project.get("/v1/webhooks").json()["data"] == []


@pytest.mark.parametrize("id", ["nope", "whk_", "whk_zzzzzzzzzzzzzzzzzzzzzzzzzz", "%00", "..", "evt_01kb0000000000000000000000",
                                "0198f2a0-0000-7000-8000-000000000000"])
def test_unknown_and_malformed_ids_are_404(project, id):
    for method, act in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("GET", "/health"), ("POST", "/rotate-secret")):
        got = project.call(method, f"/v1/webhooks/{id}{act}", b"" if method == "POST" else None)
        assert got.status in ((404,) if "%" not in id else (400, 404)), (method, act, got)


# --- acts -------------------------------------------------------------------------------------------------------------


def test_pause_and_resume(project):
    hook = project.webhook(URL)
    assert project.post(path(hook, "/pause")).json()["paused"] is True
    assert project.post(path(hook, "/pause")).status == 200
    assert project.post(path(hook, "/resume")).json()["paused"] is False
    assert project.post(path(hook, "/resume")).status == 200


def test_pausing_twice_is_one_act(project):
    hook = project.webhook(URL)
    project.post(path(hook, "/pause"))
    project.post(path(hook, "/pause"))
    acts = [row["action"] for row in project.get("/v1/audit").json()["data"]]
    assert acts.count("webhook.pause") == 1


@pytest.mark.parametrize("act", ["pause", "resume", "retry-now", "rotate-secret"])
def test_unknown_field_of_an_act_is_400(project, act):
    got = project.post(path(project.webhook(URL), f"/{act}"), {"evil": 1})
    assert got.status == 400 and got.pointers() == ["/evil"]


def test_rotated_secret_is_new_and_shown_once(project):
    hook = project.webhook(URL)
    rotated = project.post(path(hook, "/rotate-secret")).json()
    assert rotated["secret"].startswith("whsec_") and rotated["secret"] != hook["secret"]
    assert rotated["oldSecretValidUntil"]
    assert "secret" not in project.get(path(hook)).json()


def test_rotation_without_grace_forgets_the_old_secret(project):
    hook = project.webhook(URL)
    assert project.post(path(hook, "/rotate-secret"), {"graceSeconds": 0}).json()["oldSecretValidUntil"] is None


@pytest.mark.parametrize("grace, status", [(-1, 422), (7 * 86400 + 1, 422), ("1", 400), (1.5, 400)])
def test_rotation_grace_bounds(project, grace, status):
    got = project.post(path(project.webhook(URL), "/rotate-secret"), {"graceSeconds": grace})
    assert got.status == status and got.pointers() == ["/graceSeconds"]


def test_health_of_a_new_webhook(project):
    health = project.get(path(project.webhook(URL), "/health")).json()
    assert health["circuit"]["state"] == "closed"
    assert (health["openDeadLetters"], health["waiting"], health["held"]) == (0, 0, 0)
    assert health["successRate"] is None and health["p50Ms"] is None and health["p95Ms"] is None


def test_health_counts_what_is_held(project):
    hook = project.webhook(URL)
    project.post(path(hook, "/pause"))
    project.event()
    health = project.get(path(hook, "/health")).json()
    assert (health["waiting"], health["held"]) == (1, 1)


def test_acts_are_audited_with_their_actor(project):
    hook = project.webhook(URL)
    project.patch(path(hook), {"name": "x"}, headers=ANY)
    project.post(path(hook, "/pause"))
    project.post(path(hook, "/rotate-secret"))
    project.delete(path(hook))
    rows = project.get("/v1/audit", query={"object": hook["id"]}).json()["data"]
    assert [r["action"] for r in rows] == ["webhook.delete", "webhook.rotate-secret", "webhook.pause", "webhook.update",
                                           "webhook.create"]
    assert {r["actor"][:4] for r in rows} == {"key_"} and all(r["requestId"] for r in rows)


# --- seed 003's alias, idempotency ------------------------------------------------------------------------------------


def test_subscription_is_a_webhook_on_one_channel(project):
    got = project.post("/v1/subscriptions", {"channel": "orders", "name": "s", "type": "webhook", "endpoint": {"url": URL}})
    assert got.status == 201
    hook = project.get(f"/v1/webhooks/{got.json()['id']}").json()
    assert (hook["channels"], hook["name"], hook["url"]) == (["orders"], "s", URL)


@pytest.mark.parametrize("change, status, pointer", [
    ({"endpoint": {"url": "http://10.0.0.1/"}}, 422, "/endpoint/url"), ({"endpoint": {}}, 400, "/endpoint/url"),
    ({"endpoint": "x"}, 400, "/endpoint"), ({"type": "mail"}, 422, "/type"), ({"channel": "$x"}, 422, "/channel"),
    ({"more": 1}, 400, "/more"), ({"endpoint": {"url": URL, "x": 1}}, 400, "/endpoint/x"), ({"channel": None}, 400, "/channel"),
])
def test_subscription_refusals_name_its_own_fields(project, change, status, pointer):
    sent = {"channel": "orders", "type": "webhook", "endpoint": {"url": URL}, **change}
    got = project.post("/v1/subscriptions", sent)
    assert got.status == status and got.pointers() == [pointer]


def test_idempotency_key_replays_the_answer_without_the_secret(project):
    headers = {"Idempotency-Key": "make-1"}
    first = project.post("/v1/webhooks", {"url": URL}, headers=headers)
    second = project.post("/v1/webhooks", {"url": URL}, headers=headers)
    assert second.status == 201 and second.headers["idempotency-replayed"] == "true"
    assert second.json() == {**first.json(), "secret": None}
    assert second.headers["location"] == first.headers["location"]
    assert project.rows("webhooks") == 1


def test_idempotency_key_with_another_body_is_422(project):
    headers = {"Idempotency-Key": "make-1"}
    project.post("/v1/webhooks", {"url": URL}, headers=headers)
    got = project.post("/v1/webhooks", {"url": URL + "2"}, headers=headers)
    assert got.status == 422 and project.rows("webhooks") == 1


def test_idempotency_key_belongs_to_its_principal_and_path(stack, project):
    headers = {"Idempotency-Key": "same"}
    hook = project.post("/v1/webhooks", {"url": URL}, headers=headers).json()
    assert stack.project().post("/v1/webhooks", {"url": URL}, headers=headers).headers.get("idempotency-replayed") is None
    assert project.post(path(hook, "/pause"), headers=headers).headers.get("idempotency-replayed") is None


def test_idempotency_answers_are_kept_for_24_hours(project, clock):
    headers = {"Idempotency-Key": "make-1"}
    project.post("/v1/webhooks", {"url": URL}, headers=headers)
    clock("23 hours")
    assert "idempotency-replayed" in project.post("/v1/webhooks", {"url": URL}, headers=headers).headers
    clock("25 hours")
    assert "idempotency-replayed" not in project.post("/v1/webhooks", {"url": URL}, headers=headers).headers
