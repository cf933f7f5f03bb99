"""Users: signing in and out, cookies, CSRF, memberships, and what an operator does about them."""

import itertools
import re

import pytest

from harness.client import Client
from harness.wait import eventually

STACK = {"worker": False, "desk": 3}
PASSWORD = "correct horse battery"
logins = itertools.count(1)


class Browser(Client):
    """A signed-in user: the cookie and the CSRF token as the dashboard sends them."""

    def __init__(self, stack, login, password=PASSWORD):
        super().__init__(stack.port)
        got = self.post("/v1/session", {"login": login, "password": password})
        assert got.status == 201, got
        self.answer = got
        self.set_cookie = got.headers["set-cookie"]
        self.always = {"Cookie": self.set_cookie.split(";")[0], "X-CSRF-Token": got.json()["csrfToken"]}

    def without(self, name):
        return Client(self.port, headers={k: v for k, v in self.always.items() if k != name})

    def on(self, project):
        return self.with_headers(**{**self.always, "Dlo-Project": project})

    def with_headers(self, **headers):
        return Client(self.port, headers=headers)


def make_user(stack):
    made = stack.operator.post("/v1/users", {"login": f"user{next(logins)}@example.com", "password": PASSWORD})
    assert made.status == 201, made
    return made.json()


@pytest.fixture
def user(stack):
    """A user without a project: login and id."""
    return make_user(stack)


def join(stack, user, project, scopes=("admin",)):
    got = stack.operator.post(f"/v1/projects/{project.id}/members", {"userId": user["id"], "scopes": list(scopes)})
    assert got.status == 201, got


@pytest.fixture
def leaver(stack, user, project):
    """One whose session the test ends."""
    join(stack, user, project)
    return Browser(stack, user["login"])


@pytest.fixture(scope="module")
def member(stack):
    """One who stays signed in: a password takes a fifth of a second to check, so most tests share this user."""
    user, project = make_user(stack), stack.project()
    join(stack, user, project)
    browser = Browser(stack, user["login"])
    browser.user, browser.project = user, project
    return browser


# --- signing in -------------------------------------------------------------------------------------------------------


def test_sign_in_answers_user_projects_and_token(stack, user, project):
    join(stack, user, project, ["dlq:read"])
    body = Browser(stack, user["login"]).answer.json()
    assert body["user"] == {"id": user["id"], "login": user["login"]}
    assert [(p["id"], p["scopes"]) for p in body["projects"]] == [(project.id, ["dlq:read"])]
    assert len(body["csrfToken"]) >= 32 and re.match(r"^\d{4}-.*Z$", body["expiresAt"])


def test_cookie_is_kept_from_scripts_and_other_sites(stack, user):
    cookie = Browser(stack, user["login"]).set_cookie
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "Max-Age=" in cookie


def test_wrong_password_and_unknown_login_answer_alike(stack, user):
    wrong = stack.anybody.post("/v1/session", {"login": user["login"], "password": "x"})
    unknown = stack.anybody.post("/v1/session", {"login": "nobody@example.com", "password": "x"})
    assert wrong.status == unknown.status == 401 and "set-cookie" not in wrong.headers
    assert {**wrong.json(), "requestId": 0} == {**unknown.json(), "requestId": 0}


def test_guessing_is_slowed_down(stack, user):
    answers = [stack.anybody.post("/v1/session", {"login": user["login"], "password": "x"}) for _ in range(7)]
    assert [a.status for a in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    right = stack.anybody.post("/v1/session", {"login": user["login"], "password": PASSWORD})
    assert right.status == 429


def test_guessing_at_one_login_leaves_others_alone(stack, user):
    for _ in range(6):
        stack.anybody.post("/v1/session", {"login": "victim@example.com", "password": "x"})
    Browser(stack, user["login"])


@pytest.mark.parametrize("body, status", [({}, 400), ({"login": "a"}, 400), ({"login": 1, "password": "x"}, 400),
                                          ({"login": "a", "password": "x", "evil": 1}, 400), ("x", 400)])
def test_malformed_sign_in_is_400(stack, body, status):
    assert stack.anybody.post("/v1/session", body).status == status


def test_session_can_be_read(stack, member):
    body = member.get("/v1/session").json()
    assert body["csrfToken"] == member.always["X-CSRF-Token"]
    assert body == {**member.answer.json(), "expiresAt": body["expiresAt"]}


def test_whoami_of_a_user(member):
    who = member.get("/v1/whoami").json()
    assert who["kind"] == "user" and who["id"] == member.user["id"]


def test_other_cookies_do_not_disturb(member):
    cookie = f"a=b; {member.always['Cookie']}; c=d"
    assert member.with_headers(Cookie=cookie).get("/v1/session").status == 200


@pytest.mark.parametrize("cookie", ["dlo_session=", "dlo_session=x", "xdlo_session=" + "a" * 43, "dlo_session=" + "a" * 44])
def test_forged_cookie_is_401(stack, cookie):
    assert stack.anybody.get("/v1/session", headers={"Cookie": cookie}).status == 401


def test_sign_out_ends_the_session(leaver):
    got = leaver.delete("/v1/session")
    assert got.status == 204 and "Max-Age=0" in got.headers["set-cookie"]
    eventually(lambda: leaver.get("/v1/session").status == 401)


def test_sign_out_everywhere(stack, user):
    one, two = Browser(stack, user["login"]), Browser(stack, user["login"])
    assert one.delete("/v1/session?all=true").status == 204
    eventually(lambda: two.get("/v1/session").status == 401)


def test_session_ends_after_twelve_hours(leaver, clock):
    clock("11 hours")
    eventually(lambda: leaver.get("/v1/session").status == 200)
    clock("13 hours")
    eventually(lambda: leaver.get("/v1/session").status == 401)


def test_token_is_kept_as_a_hash(stack, member):
    token = member.always["Cookie"].split("=")[1]
    assert stack.value("SELECT count(*) FROM sessions WHERE position(%s in token_hash::text) > 0", [token]) == 0


# --- CSRF, projects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, path, body", [("POST", "/v1/webhooks", {"url": "https://example.com/"}),
                                                ("DELETE", "/v1/session", None), ("POST", "/v1/keys", {}),
                                                ("PUT", "/v1/session/password", {})])
def test_write_without_the_csrf_token_is_403(member, method, path, body):
    bare = member.without("X-CSRF-Token")
    got = bare.call(method, path, body)
    assert got.status == 403 and got.code == "csrf"
    wrong = bare.call(method, path, body, headers={"X-CSRF-Token": "x" * 43})
    assert wrong.status == 403


def test_read_needs_no_csrf_token(member):
    assert member.without("X-CSRF-Token").get("/v1/dlq").status == 200


def test_write_with_the_csrf_token(member):
    assert member.post("/v1/webhooks", {"url": "https://example.com/"}).status == 201
    rows = member.get("/v1/audit").json()["data"]
    assert rows[0]["action"] == "webhook.create" and rows[0]["actor"] == member.user["id"]


def test_one_membership_needs_no_name(member):
    assert member.get("/v1/whoami").json()["project"]["id"] == member.project.id


def test_several_memberships_need_a_name(stack, user, project):
    other = stack.project()
    join(stack, user, project)
    join(stack, user, other)
    browser = Browser(stack, user["login"])
    got = browser.get("/v1/dlq")
    assert got.status == 400 and got.code == "project-required"
    for one in (project, other):
        assert browser.on(one.id).get("/v1/whoami").json()["project"]["id"] == one.id


def test_overview_of_every_project(stack, user, project):
    other, third = stack.project(), stack.project()
    join(stack, user, project)
    join(stack, user, other, ["dlq:read"])
    join(stack, user, third, ["events:read"])
    got = Browser(stack, user["login"]).on("*").get("/v1/overview")
    assert got.status == 200
    assert {row["projectId"] for row in got.json()["data"]} == {project.id, other.id}


def test_star_is_for_the_overview_only(stack, member):
    assert member.on("*").get("/v1/dlq").status == 400


def test_project_of_others_is_403(stack, member):
    assert member.on(stack.project().id).get("/v1/dlq").status == 403
    unknown = member.on("prj_01kb0000000000000000000000").get("/v1/dlq")
    assert unknown.status == 403


def test_malformed_project_is_400(member):
    got = member.on("nope").get("/v1/dlq")
    assert got.status == 400 and got.code == "malformed-id"


def test_membership_has_its_scopes_only(stack, user, project):
    join(stack, user, project, ["dlq:read"])
    browser = Browser(stack, user["login"])
    assert browser.get("/v1/dlq").status == 200
    got = browser.get("/v1/webhooks")
    assert got.status == 403 and got.json()["requiredScope"] == "webhooks:read"


def test_removed_leaver_stops_within_seconds(stack, user, project, leaver):
    assert stack.operator.delete(f"/v1/projects/{project.id}/members/{user['id']}").status == 204
    eventually(lambda: leaver.get("/v1/dlq").status in (400, 403))


def test_user_is_no_operator(member):
    for path in ("/v1/projects", "/v1/users", "/metrics"):
        assert member.get(path).status == 403


# --- passwords and users ----------------------------------------------------------------------------------------------


def test_password_is_changed_by_who_knows_it(stack, user, leaver):
    other = Browser(stack, user["login"])
    got = leaver.put("/v1/session/password", {"currentPassword": PASSWORD, "newPassword": "another good one"})
    assert got.status == 204
    assert leaver.get("/v1/session").status == 200
    eventually(lambda: other.get("/v1/session").status == 401)
    Browser(stack, user["login"], "another good one")
    assert stack.anybody.post("/v1/session", {"login": user["login"], "password": PASSWORD}).status == 401


@pytest.mark.parametrize("body, status", [({"currentPassword": "x", "newPassword": "long enough 1"}, 422),
                                          ({"currentPassword": PASSWORD, "newPassword": "short"}, 400),
                                          ({"newPassword": "long enough 1"}, 400)])
def test_password_is_not_changed(stack, user, leaver, body, status):
    assert leaver.put("/v1/session/password", body).status == status
    Browser(stack, user["login"])


def test_password_is_made_when_none_is_given_and_shown_once(stack):
    login = f"made{next(logins)}@example.com"
    made = stack.operator.post("/v1/users", {"login": login}).json()
    Browser(stack, login, made["password"])
    assert "password" not in stack.operator.get(f"/v1/users/{made['id']}").json()


def test_operator_sets_a_password_anew(stack, user):
    fresh = stack.operator.post(f"/v1/users/{user['id']}/password").json()["password"]
    Browser(stack, user["login"], fresh)


@pytest.mark.parametrize("body, status", [({"login": "a b"}, 400), ({"login": ""}, 400), ({}, 400), ({"login": 1}, 400),
                                          ({"login": "ok@x", "password": "short"}, 400), ({"login": "ok@x", "role": "x"}, 400)])
def test_malformed_user_is_400(stack, body, status):
    assert stack.operator.post("/v1/users", body).status == status


def test_login_is_taken_once(stack, user):
    got = stack.operator.post("/v1/users", {"login": user["login"]})
    assert got.status == 409 and got.code == "login-taken"


def test_disabled_user_is_out(stack, user):
    browser = Browser(stack, user["login"])
    assert stack.operator.delete(f"/v1/users/{user['id']}").status == 204
    eventually(lambda: browser.get("/v1/session").status == 401)
    assert stack.anybody.post("/v1/session", {"login": user["login"], "password": PASSWORD}).status == 401


def test_user_made_by_the_command_line_signs_in(stack, project):
    made = stack.cli_env("user", "create", "--login", f"cli{next(logins)}@example.com", "--project", project.id)
    browser = Browser(stack, made["DLO_LOGIN"], made["DLO_PASSWORD"])
    assert browser.get("/v1/dlq").status == 200


# --- keys -------------------------------------------------------------------------------------------------------------


def test_key_is_shown_once(project):
    made = project.post("/v1/keys", {"name": "ci", "scopes": ["events:write", "dlq:read"]}).json()
    assert re.match(r"^dlo_[A-Za-z0-9]{43}$", made["key"]) and made["scopes"] == ["events:write", "dlq:read"]
    listed = project.get("/v1/keys")
    assert made["key"] not in listed.body.decode()
    row = next(r for r in listed.json()["data"] if r["id"] == made["id"])
    assert row["name"] == "ci" and made["key"].startswith(row["hint"])


def test_key_works_at_once_and_with_its_scopes_only(project):
    made = project.post("/v1/keys", {"name": "ci", "scopes": ["dlq:read"]}).json()
    assert project.get("/v1/dlq", key=made["key"]).status == 200
    assert project.get("/v1/webhooks", key=made["key"]).status == 403


@pytest.mark.parametrize("body, status, pointer", [
    ({"scopes": ["dlq:read"]}, 400, "/name"), ({"name": "x"}, 400, "/scopes"), ({"name": "x", "scopes": []}, 400, "/scopes"),
    ({"name": "x", "scopes": ["nope"]}, 400, "/scopes/0"), ({"name": "x", "scopes": "admin"}, 400, "/scopes"),
    ({"name": "x", "scopes": ["dlq:read"], "evil": 1}, 400, "/evil"),
    ({"name": "x", "scopes": ["operator"]}, 400, "/scopes/0"),
])
def test_malformed_key_is_400(project, body, status, pointer):
    got = project.post("/v1/keys", body)
    assert got.status == status and got.pointers() == [pointer]


def test_key_of_a_key_needs_admin(project):
    limited = project.limited("dlq:read,events:read")
    assert limited.post("/v1/keys", {"name": "x", "scopes": ["dlq:read"]}).json()["requiredScope"] == "admin"


def test_keys_are_kept_as_hashes(stack, project):
    dump = stack.value("SELECT string_agg(k::text, '') FROM api_keys k")
    assert project.key not in dump and stack.operator_key not in dump


def test_key_made_by_the_operator_for_a_project(stack, project):
    made = stack.operator.post(f"/v1/projects/{project.id}/keys", {"name": "o", "scopes": ["dlq:read"]}).json()
    assert project.get("/v1/dlq", key=made["key"]).status == 200
    assert stack.operator.delete(f"/v1/projects/{project.id}/keys/{made['id']}").status == 204


# --- projects ---------------------------------------------------------------------------------------------------------


def test_project_is_made_read_and_listed(stack):
    made = stack.operator.post("/v1/projects", {"name": "shop", "plan": "base"})
    assert made.status == 201 and made.headers["location"].endswith(f"/v1/projects/{made.json()['id']}")
    one = stack.operator.get(f"/v1/projects/{made.json()['id']}")
    assert one.json() == made.json() and one.json()["retentionDays"] == 7 and one.headers["etag"] == '"1"'
    assert made.json() in stack.operator.get("/v1/projects").json()["data"]


@pytest.mark.parametrize("body, status", [({}, 400), ({"name": ""}, 400), ({"name": "x", "plan": "gold"}, 400),
                                          ({"name": "x", "plan": "free", "retentionDays": 7}, 422),
                                          ({"name": "x", "plan": "enterprise", "retentionDays": 0}, 400),
                                          ({"name": "x", "plan": "enterprise", "retentionDays": 381}, 400),
                                          ({"name": "x", "evil": 1}, 400), ({"name": 1}, 400)])
def test_malformed_project_is_refused(stack, body, status):
    assert stack.operator.post("/v1/projects", body).status == status


@pytest.mark.parametrize("plan, days", [("free", 1), ("base", 7), ("growth", 30), ("scale", 90), ("enterprise", 30)])
def test_plans_have_their_retention(stack, plan, days):
    assert stack.operator.post("/v1/projects", {"name": "x", "plan": plan}).json()["retentionDays"] == days


def test_plan_is_changed_with_if_match(stack, project):
    path = f"/v1/projects/{project.id}/plan"
    assert stack.operator.put(path, {"plan": "base"}).status == 428
    assert stack.operator.put(path, {"plan": "base"}, headers={"If-Match": '"9"'}).status == 412
    got = stack.operator.put(path, {"plan": "base"}, headers={"If-Match": '"1"'})
    assert got.status == 200 and got.json() == {"plan": "base", "retentionDays": 7, "version": 2}
    assert project.get("/v1/plan").json()["retentionDays"] == 7


def test_plan_change_is_audited(stack, project):
    stack.operator.put(f"/v1/projects/{project.id}/plan", {"plan": "base"}, headers={"If-Match": "*"})
    row = project.get("/v1/audit").json()["data"][0]
    assert row["action"] == "project.plan" and row["detail"]["plan"] == "base" and row["actor"].startswith("key_")


@pytest.mark.parametrize("path", ["/v1/projects/{}", "/v1/projects/{}/plan", "/v1/projects/{}/members", "/v1/projects/{}/keys"])
def test_unknown_project_is_404(stack, path):
    for name in ("nope", "prj_01kb0000000000000000000000"):
        assert stack.operator.get(path.format(name)).status == 404


# --- audit ------------------------------------------------------------------------------------------------------------


def test_audit_is_only_added_to(stack):
    for role in ("dlo_api", "dlo_worker"):
        with stack.connect(role) as conn:
            for statement in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"):
                with pytest.raises(Exception, match="permission denied"):
                    conn.execute(statement)


def test_audit_filters_and_pages(project):
    for _ in range(3):
        project.webhook("https://example.com/")
    rows = project.get("/v1/audit?action=webhook.create").json()["data"]
    assert len(rows) == 3 and project.get("/v1/audit?action=nope").json()["data"] == []
    assert project.get("/v1/audit", query={"actor": rows[0]["actor"], "from": "-5m"}).json()["data"][:3] == rows
    first = project.get("/v1/audit?action=webhook.create&limit=2").json()
    rest = project.get("/v1/audit", query={"action": "webhook.create", "limit": 2, "cursor": first["nextCursor"]}).json()
    assert first["data"] + rest["data"] == rows


def test_command_line_is_audited(project):
    actors = {row["actor"] for row in project.get("/v1/audit").json()["data"]}
    assert actors == {"cli"}
