"""A webhook's setting autoRedrive: its members, their refusals, who may set it, and what the plan allows."""

import pytest

STACK = {"worker": False}
URL = "https://example.com/hook"
ANY = {"If-Match": "*"}
USUAL = {"afterSuccesses": 10, "maxEntries": 1000, "ratePerSecond": 10, "windowSeconds": 604800}
OWN = {"afterSuccesses": 1, "maxEntries": 100000, "ratePerSecond": 0.5, "windowSeconds": 60}


def patch(client, hook, value):
    return client.patch(f"/v1/webhooks/{hook['id']}", {"autoRedrive": value}, headers=ANY)


def stored(project):
    return project.stack.value("SELECT auto_redrive FROM webhooks WHERE project_id = %s", [project.number])


def test_off_by_default(project):
    assert project.webhook(URL)["autoRedrive"] is None and stored(project) is None


@pytest.mark.parametrize("value", [{}, [], {"afterSuccesses": None}])
def test_every_member_has_a_default(project, value):
    assert project.webhook(URL, autoRedrive=value)["autoRedrive"] == USUAL


def test_members_are_kept_changed_one_by_one_and_cleared(project):
    hook = project.webhook(URL, autoRedrive=OWN)
    assert hook["autoRedrive"] == project.get(f"/v1/webhooks/{hook['id']}").json()["autoRedrive"] == OWN
    assert project.patch(f"/v1/webhooks/{hook['id']}", {"name": "x"}, headers=ANY).json()["autoRedrive"] == OWN
    assert patch(project, hook, {"afterSuccesses": 3}).json()["autoRedrive"] == {**OWN, "afterSuccesses": 3}
    assert patch(project, hook, {"maxEntries": None}).json()["autoRedrive"] == {**OWN, "afterSuccesses": 3, "maxEntries": 1000}
    assert patch(project, hook, None).json()["autoRedrive"] is None and stored(project) is None


REFUSED = [
    (True, 400, ""), ("on", 400, ""), ([1], 400, ""), ({"nope": 1}, 400, "/nope"), ({"after_successes": 1}, 400, "/after_successes"),
    ({"afterSuccesses": "1"}, 400, "/afterSuccesses"), ({"afterSuccesses": 1.5}, 400, "/afterSuccesses"),
    ({"afterSuccesses": 0}, 422, "/afterSuccesses"), ({"afterSuccesses": 1001}, 422, "/afterSuccesses"),
    ({"maxEntries": 0}, 422, "/maxEntries"), ({"maxEntries": 100001}, 422, "/maxEntries"), ({"maxEntries": 1e3}, 400, "/maxEntries"),
    ({"ratePerSecond": 0.009}, 422, "/ratePerSecond"), ({"ratePerSecond": 10001}, 422, "/ratePerSecond"),
    ({"ratePerSecond": "1"}, 400, "/ratePerSecond"), ({"ratePerSecond": 2001}, 422, "/ratePerSecond"),
    ({"windowSeconds": 59}, 422, "/windowSeconds"), ({"windowSeconds": 380 * 86400 + 1}, 422, "/windowSeconds"),
]


@pytest.mark.parametrize("value, status, pointer", REFUSED, ids=[str(v) for v, _, _ in REFUSED])
def test_refused_with_its_pointer_and_nothing_made(project, value, status, pointer):
    got = project.post("/v1/webhooks", {"url": URL, "autoRedrive": value})
    assert got.status == status, got
    assert got.pointers() == ["/autoRedrive" + pointer]
    assert project.rows("webhooks") == 0


def test_needs_the_scope_of_what_it_does(project):
    few = project.limited("webhooks:read,webhooks:write")
    got = few.post("/v1/webhooks", {"url": URL, "autoRedrive": {}})
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:replay.bulk"
    hook = project.webhook(URL, autoRedrive=OWN)
    assert patch(few, hook, {"maxEntries": 7}).status == 403
    assert few.patch(f"/v1/webhooks/{hook['id']}", {"name": "x"}, headers=ANY).status == 200
    assert patch(few, hook, None).status == 200


def test_needs_a_plan_with_bulk_redrives(stack):
    got = stack.project(plan="free").post("/v1/webhooks", {"url": URL, "autoRedrive": {}})
    assert got.status == 403 and got.json()["requiredCapability"] == "bulkRedrive"
