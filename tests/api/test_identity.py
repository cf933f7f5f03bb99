"""Who may do what: keys, scopes, and that another project's objects do not exist."""

import re
import uuid

import pytest

from harness.process import ROOT
from harness.wait import eventually

EVENT = {"eventType": "t", "payload": 1}

# Every route of a project: method, path, scope, body. What stands in braces is an object of the project.
ROUTES = [
    ("POST", "/v1/events", "events:write", EVENT),
    ("POST", "/v1/events/batch", "events:write", {"events": [EVENT]}),
    ("GET", "/v1/events", "events:read", None),
    ("GET", "/v1/events/{event}", "events:read", None),
    ("POST", "/v1/webhooks", "webhooks:write", {"url": "https://example.com/"}),
    ("POST", "/v1/subscriptions", "webhooks:write",
     {"channel": "c", "type": "webhook", "endpoint": {"url": "https://example.com/"}}),
    ("GET", "/v1/webhooks", "webhooks:read", None),
    ("GET", "/v1/webhooks/{webhook}", "webhooks:read", None),
    ("PATCH", "/v1/webhooks/{webhook}", "webhooks:write", {"name": "n"}),
    ("DELETE", "/v1/webhooks/{webhook}", "webhooks:write", None),
    ("POST", "/v1/webhooks/{webhook}/pause", "webhooks:write", b""),
    ("POST", "/v1/webhooks/{webhook}/resume", "webhooks:write", b""),
    ("POST", "/v1/webhooks/{webhook}/retry-now", "webhooks:write", b""),
    ("POST", "/v1/webhooks/{webhook}/rotate-secret", "webhooks:write", b""),
    ("GET", "/v1/webhooks/{webhook}/health", "webhooks:read", None),
    ("POST", "/v1/webhooks/{webhook}/ping", "webhooks:write", b""),
    ("POST", "/v1/webhooks/{webhook}/test-transform", "webhooks:write", {"transform": ".", "payload": {}}),
    ("GET", "/v1/webhooks/{webhook}/test-transform/{trial}", "webhooks:write", None),
    ("PUT", "/v1/event-types/another", "webhooks:write", {"description": "d"}),
    ("GET", "/v1/event-types/{type}", "webhooks:read", None),
    ("DELETE", "/v1/event-types/{type}", "webhooks:write", None),
    ("GET", "/v1/event-types", "webhooks:read", None),
    ("GET", "/v1/dlq", "dlq:read", None),
    ("GET", "/v1/dlq/{entry}", "dlq:read", None),
    ("GET", "/v1/dlq/{entry}/payload", "dlq:payload", None),
    ("GET", "/v1/dlq/{entry}/attempts/1", "dlq:read", None),
    ("GET", "/v1/dlq/{entry}/diff", "dlq:read", None),
    ("GET", "/v1/dlq/export", "dlq:export", None),
    ("GET", "/v1/dlq/groups", "dlq:read", None),
    ("GET", "/v1/dlq/groups/{group}", "dlq:read", None),
    ("PATCH", "/v1/dlq/groups/{group}", "dlq:discard", {"state": "acknowledged"}),
    ("POST", "/v1/dlq/{entry}/re-drive", "dlq:replay", b""),
    ("POST", "/v1/dlq/{entry}/replay", "dlq:replay", b""),
    ("POST", "/v1/dlq/{entry}/retry", "dlq:replay", b""),
    ("POST", "/v1/dlq/{entry}/edit-re-drive", "dlq:edit", {"payload": 1, "reason": "r"}),
    ("POST", "/v1/dlq/{entry}/discard", "dlq:discard", {"reason": "r"}),
    ("POST", "/v1/dlq/{entry}/restore", "dlq:discard", b""),
    ("DELETE", "/v1/dlq/{entry}", "dlq:purge", None),
    ("POST", "/v1/dlq/bulk-re-drive", "dlq:replay.bulk", {"all": True, "dryRun": True}),
    ("POST", "/v1/dlq/bulk-discard", "dlq:discard", {"all": True, "dryRun": True}),
    ("POST", "/v1/dlq/bulk-restore", "dlq:discard", {"all": True, "dryRun": True}),
    ("POST", "/v1/dlq/bulk-purge", "dlq:purge", {"all": True, "dryRun": True}),
    ("GET", "/v1/bulk-operations", "dlq:read", None),
    ("GET", "/v1/bulk-operations/{operation}", "dlq:read", None),
    ("GET", "/v1/bulk-operations/{operation}/items", "dlq:read", None),
    # and the scope of what it does, once it is found: tests/api/test_bulk.py
    ("POST", "/v1/bulk-operations/{operation}/pause", "dlq:read", b""),
    ("POST", "/v1/bulk-operations/{operation}/resume", "dlq:read", b""),
    ("POST", "/v1/bulk-operations/{operation}/cancel", "dlq:read", b""),
    ("POST", "/v1/bulk-operations/{operation}/retry-failed", "dlq:read", b""),
    ("PATCH", "/v1/bulk-operations/{operation}", "dlq:read", {"ratePerSecond": 1}),
    ("GET", "/v1/deliveries", "events:read", None),
    ("GET", "/v1/deliveries/{delivery}", "events:read", None),
    ("POST", "/v1/deliveries/{delivery}/replay", "dlq:replay", b""),
    ("POST", "/v1/deliveries/{delivery}/cancel", "dlq:replay", b""),
    ("GET", "/dlq", "dlq:read", None),
    ("GET", "/dlq/webhook/{webhook}", "dlq:read", None),
    ("POST", "/dlq/{delivery}/retry", "dlq:replay", b""),
    ("GET", "/v1/overview", "dlq:read", None),
    ("GET", "/v1/config-warnings", "dlq:read", None),
    ("GET", "/v1/stats", "dlq:read", None),
    ("GET", "/v1/audit", "audit:read", None),
    ("GET", "/v1/keys", "admin", None),
    ("POST", "/v1/keys", "admin", {"name": "n", "scopes": ["dlq:read"]}),
    ("DELETE", "/v1/keys/{key}", "admin", None),
]
WITH_OBJECT = [r for r in ROUTES if "{" in r[1]]
OPERATOR_ROUTES = ["/v1/projects", "/v1/users", "/metrics"]


def ids(routes):
    return [f"{method} {path}" for method, path, *_ in routes]


def allow_edits(stack, project):
    got = stack.operator.patch(f"/v1/projects/{project.id}", {"editRedrive": True}, headers={"If-Match": "*"})
    assert got.status == 200, got
    return project


class Tenant:
    """A project with one object of each kind."""

    def __init__(self, stack, peer):
        self.project = allow_edits(stack, stack.project())
        entry = self.project.dead_letter(peer)
        key = self.project.post("/v1/keys", {"name": "other", "scopes": ["events:read"]})
        assert key.status == 201, key
        made = self.project.call("PUT", "/v1/event-types/order.mine", {"description": "d"})
        assert made.status == 201, made
        planned = self.project.post("/v1/dlq/bulk-restore", {"all": True}, headers={"Idempotency-Key": "tenant"})
        assert planned.status == 202, planned
        self.objects = {"event": entry["eventId"], "webhook": entry["webhookId"], "entry": entry["id"],
                        "delivery": entry["deliveryId"], "key": key.json()["id"], "type": "order.mine",
                        "trial": self.trial(entry["webhookId"]), "operation": planned.json()["id"],
                        "group": entry["fingerprint"]}
        eventually(lambda: self.project.get(f"/v1/dlq/groups/{entry['fingerprint']}").status == 200)

    def trial(self, webhook):
        """Of a transform; there are sandboxes a moment after the worker has started."""
        def made():
            got = self.project.post(f"/v1/webhooks/{webhook}/test-transform", {"transform": ".", "payload": 1})
            return got.status == 202 and got.headers["location"].rsplit("/", 1)[1]
        return eventually(made, every=0.5)

    def fill(self, path):
        return path.format(**self.objects)


@pytest.fixture(scope="module")
def tenant(stack, peer):
    return Tenant(stack, peer)


@pytest.fixture(scope="module")
def stranger(stack):
    return allow_edits(stack, stack.project())


def test_table_has_every_route_of_a_project():
    """A route that is added must come into this table, or nobody looks whether it keeps tenants apart."""
    known = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path, *_ in ROUTES}
    found = set()
    for source in (ROOT / "fcgi").glob("*.c"):
        for method, path, scope in re.findall(r"\{METHOD_(\w+), \"([^\"]+)\", \w+,\s*SCOPE_(\w+)", source.read_text()):
            if scope not in ("NONE", "OPERATOR", "SIGNED_IN", "IDENTIFIED", "PROJECT"):
                path = re.sub(r"/attempts/\{\}", "/attempts/1", path)
                made = "/v1/event-types/another" if method == "PUT" else path  # a PUT makes what is not there
                found.add((method, made))
    assert found == known


@pytest.mark.parametrize("method, path, scope, body", ROUTES, ids=ids(ROUTES))
def test_without_a_key_401(stack, tenant, method, path, scope, body):
    got = stack.anybody.call(method, tenant.fill(path), body)
    assert got.status == 401
    assert got.headers["www-authenticate"] == "Bearer"
    assert got.json()["error"]


@pytest.mark.parametrize("method, path, scope, body", ROUTES, ids=ids(ROUTES))
def test_without_the_scope_403_before_the_object_is_looked_up(tenant, method, path, scope, body):
    every = ("events:write events:read webhooks:read webhooks:write dlq:read dlq:payload dlq:replay dlq:discard "
             "audit:read").split()
    limited = tenant.project.limited(",".join(s for s in every if s != scope))
    known = limited.call(method, tenant.fill(path), body)
    unknown = limited.call(method, re.sub(r"\{\w+\}", str(uuid.uuid4()), path), body)
    assert known.status == unknown.status == 403
    if path.startswith("/v1"):
        assert known.json()["requiredScope"] == scope
    assert comparable(known) == comparable(unknown)


def comparable(answer):
    body = answer.json()
    if isinstance(body, dict):
        body.pop("requestId", None)
    return answer.status, answer.headers.get("content-type"), body


@pytest.mark.parametrize("method, path, scope, body", WITH_OBJECT, ids=ids(WITH_OBJECT))
def test_foreign_object_answers_as_an_unknown_one(tenant, stranger, method, path, scope, body):
    foreign = stranger.call(method, tenant.fill(path), body, headers={"If-Match": "*"})
    unknown = stranger.call(method, re.sub(r"\{\w+\}", str(uuid.uuid4()), path), body, headers={"If-Match": "*"})
    assert comparable(foreign) == comparable(unknown)
    assert foreign.status == 404 or foreign.json() == []


def test_strangers_calls_changed_nothing(tenant, stranger):
    for method, path, _, body in WITH_OBJECT:
        stranger.call(method, tenant.fill(path), body, headers={"If-Match": "*"})
    assert tenant.project.get(tenant.fill("/v1/webhooks/{webhook}")).json()["version"] == 1
    assert tenant.project.entry(tenant.objects["entry"])["state"] == "open"
    assert tenant.project.get("/v1/keys").status == 200


@pytest.mark.parametrize("filter_by", ["webhookId", "subscriptionId", "eventId"])
def test_foreign_id_in_a_filter_finds_nothing(tenant, stranger, filter_by):
    name = "event" if filter_by == "eventId" else "webhook"
    assert stranger.entries(**{filter_by: tenant.objects[name]}) == []
    assert stranger.deliveries(**{filter_by: tenant.objects[name]}) == []
    counted = stranger.get("/v1/dlq", query={filter_by: tenant.objects[name], "count": "exact"}).json()
    assert counted["total"] == 0


def test_lists_show_only_ones_own(tenant, stranger):
    for path in ("/v1/events", "/v1/webhooks", "/v1/dlq", "/v1/deliveries", "/v1/audit"):
        shown = {row["id"] for row in stranger.get(path).json()["data"]}
        assert not shown & {row["id"] for row in tenant.project.get(path).json()["data"]}, path


@pytest.mark.parametrize("header", [
    {"Authorization": "Bearer dlo_" + "x" * 43}, {"Authorization": "Bearer dlo_op_" + "x" * 43},
    {"Authorization": "Bearer "}, {"Authorization": "Basic ZGxvOmRsbw=="}, {"Authorization": "Bearer dlo_short"},
    {"X-Dlo-Key": "dlo_" + "y" * 43}, {"X-Dlo-Key": ""}, {"Cookie": "dlo_session=" + "z" * 43},
])
def test_unknown_credentials_are_401(stack, header):
    assert stack.anybody.get("/v1/whoami", headers=header).status == 401


def test_key_is_not_taken_from_the_query(stack, project):
    assert stack.anybody.get(f"/v1/dlq?key={project.key}").status == 401
    assert stack.anybody.get(f"/v1/dlq?access_token={project.key}").status == 401


def test_key_in_x_dlo_key(stack, project):
    got = stack.anybody.get("/v1/whoami", headers={"X-Dlo-Key": project.key})
    assert got.status == 200 and got.json()["project"]["id"] == project.id


@pytest.mark.parametrize("header", ["X-Remote-User", "X_Remote_User", "Remote-User", "X-Forwarded-User"])
def test_identity_never_comes_from_other_headers(stack, project, header):
    assert stack.anybody.get("/v1/whoami", headers={header: project.key}).status == 401


def test_scheme_is_not_case_sensitive(stack, project):
    assert stack.anybody.get("/v1/whoami", headers={"Authorization": f"bearer {project.key}"}).status == 200


def test_whoami_of_a_key(project):
    who = project.limited("dlq:read,events:read").get("/v1/whoami").json()
    assert who["kind"] == "key" and set(who["scopes"]) == {"dlq:read", "events:read"}


def test_own_project_may_be_named(project):
    assert project.get("/v1/dlq", headers={"Dlo-Project": project.id}).status == 200


def test_key_cannot_name_another_project(project, stranger):
    got = project.get("/v1/dlq", headers={"Dlo-Project": stranger.id})
    assert got.status in (403, 404)


@pytest.mark.parametrize("path", OPERATOR_ROUTES)
def test_project_key_is_no_operator(project, path):
    assert project.get(path).status == 403


@pytest.mark.parametrize("path", OPERATOR_ROUTES)
def test_operator_key_opens_its_routes(stack, path):
    assert stack.operator.get(path).status == 200


OF_PROJECTS = [r for r in ROUTES if r[0] == "GET"]


@pytest.mark.parametrize("method, path, scope, body", OF_PROJECTS, ids=ids(OF_PROJECTS))
def test_operator_reads_nothing_of_a_project(stack, tenant, method, path, scope, body):
    for headers in ({}, {"Dlo-Project": tenant.project.id}):
        assert stack.operator.call(method, tenant.fill(path), body, headers=headers).status == 403


def test_payload_needs_its_scope(tenant):
    limited = tenant.project.limited("dlq:read,events:read")
    entry = limited.get(tenant.fill("/v1/dlq/{entry}")).json()
    assert entry["originalMessage"]["payload"] is None and entry["originalMessage"]["payloadHidden"] is True
    event = limited.get(tenant.fill("/v1/events/{event}")).json()
    assert event.get("payload") is None and event["payloadHidden"] is True


def test_payload_is_shown_with_its_scope(tenant):
    limited = tenant.project.limited("dlq:read,dlq:payload")
    assert limited.get(tenant.fill("/v1/dlq/{entry}")).json()["originalMessage"]["payload"] == "{}"


def test_search_in_payloads_without_the_scope_is_403(tenant):
    got = tenant.project.limited("dlq:read").get("/v1/dlq?q=x&from=-1h")
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:payload"


def test_revoked_key_stops_within_seconds(stack, project):
    made = project.post("/v1/keys", {"name": "short", "scopes": ["dlq:read"]}).json()
    assert stack.anybody.get("/v1/dlq", key=made["key"]).status == 200
    assert project.delete(f"/v1/keys/{made['id']}").status == 204
    eventually(lambda: stack.anybody.get("/v1/dlq", key=made["key"]).status == 401)
