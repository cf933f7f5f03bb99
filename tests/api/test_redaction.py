"""The operator's route for a project's redaction rules: form, limits, who may, and what is written down."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.wait import eventually

STACK = {"worker": False}
RULES = {"headers": ["x-customer-token", "X-Other"],
         "jsonPaths": ["$.card.number", "$['odd-name']", "$.items[*].secret", "$..password", "$.list[0]", "$"]}
ANY = {"If-Match": "*"}


@pytest.fixture
def path(project):
    return f"/v1/projects/{project.id}/redaction"


def problem(got, status, code):
    """The pointers of a problem of that status and code."""
    assert (got.status, got.code) == (status, code), got
    return got.pointers()


def test_a_project_has_none(stack, path):
    got = stack.operator.get(path)
    assert got.status == 200 and got.json() == {"headers": [], "jsonPaths": [], "version": 1}
    assert got.headers["etag"] == '"1"'


def test_rules_are_answered_as_they_were_given(stack, path):
    put = stack.operator.put(path, RULES, headers={"If-Match": '"1"'})
    assert put.status == 200 and put.json() == {**RULES, "version": 2} and put.headers["etag"] == '"2"'
    assert stack.operator.get(path).json() == put.json()


def test_rules_are_taken_away_by_empty_ones(stack, project, path):
    stack.operator.put(path, RULES, headers=ANY)
    got = stack.operator.put(path, {"headers": [], "jsonPaths": []}, headers=ANY)
    assert got.json() == {"headers": [], "jsonPaths": [], "version": 3}
    assert stack.value("SELECT redaction FROM projects WHERE id = %s", [project.number]) is None


def test_if_match_is_wanted_and_holds(stack, path):
    problem(stack.operator.put(path, RULES), 428, "if-match-required")
    problem(stack.operator.put(path, RULES, headers={"If-Match": '"9"'}), 412, "version-mismatch")
    assert stack.operator.get(path).json()["headers"] == []


@pytest.mark.parametrize("bad", ["card", "$.", "$.x-token", "$[?@.a]", "$['a','b']", "$[-1]", "$[1:2]", "$..", "$ "])
def test_a_path_that_is_not_understood_is_named(stack, path, bad):
    got = stack.operator.put(path, {"headers": [], "jsonPaths": ["$.fine", bad]}, headers=ANY)
    assert problem(got, 422, "invalid-path") == ["/jsonPaths/1"]
    assert stack.operator.get(path).json()["jsonPaths"] == []


@pytest.mark.parametrize("bad", ["two words", "x:", "é", "a\r\nb", "{}"])
def test_a_header_that_is_no_token_is_named(stack, path, bad):
    got = stack.operator.put(path, {"headers": ["fine", "fine-too", bad], "jsonPaths": []}, headers=ANY)
    assert problem(got, 422, "invalid-header") == ["/headers/2"]


@pytest.mark.parametrize("body, code, pointer", [
    ({"headers": []}, "missing-field", "/jsonPaths"),
    ({"jsonPaths": []}, "missing-field", "/headers"),
    ({"headers": "x", "jsonPaths": []}, "wrong-type", "/headers"),
    ({"headers": [], "jsonPaths": [1]}, "wrong-type", "/jsonPaths"),
    ({"headers": [""], "jsonPaths": []}, "out-of-range", "/headers"),
    ({"headers": [], "jsonPaths": ["$." + "a" * 199]}, "out-of-range", "/jsonPaths"),
    ({"headers": ["x"] * 51, "jsonPaths": []}, "out-of-range", "/headers"),
    ({"headers": [], "jsonPaths": ["$.a"] * 51}, "out-of-range", "/jsonPaths"),
    ({"headers": [], "jsonPaths": [], "paths": []}, "unknown-field", "/paths"),
])
def test_wrong_bodies_are_told_apart(stack, path, body, code, pointer):
    assert problem(stack.operator.put(path, body, headers=ANY), 400, code) == [pointer]


def test_limits_are_reached(stack, path):
    rules = {"headers": ["x"] * 50, "jsonPaths": ["$." + "a" * 198] + ["$.a"] * 49}
    assert stack.operator.put(path, rules, headers=ANY).status == 200


def test_all_paths_together_have_a_limit(stack, path):
    got = stack.operator.put(path, {"headers": [], "jsonPaths": ["$" + ".a" * 99] * 6}, headers=ANY)
    assert problem(got, 422, "invalid-path") == ["/jsonPaths/5"] and "too many segments" in got.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_it_is_the_operators_alone(stack, project, path, method):
    """As plan and members are: not even a project's own admin."""
    stranger = stack.project()
    for client in (project, stranger):
        got = client.call(method, path, RULES if method == "PUT" else None, headers=ANY)
        assert (got.status, got.code) == (403, "forbidden"), got
    assert stack.anybody.call(method, path, RULES if method == "PUT" else None, headers=ANY).status == 401
    assert stack.operator.get(path).json()["headers"] == []


@pytest.mark.parametrize("name", ["nope", "prj_01kb0000000000000000000000"])
def test_unknown_project_is_404(stack, name):
    assert stack.operator.get(f"/v1/projects/{name}/redaction").status == 404
    assert stack.operator.put(f"/v1/projects/{name}/redaction", RULES, headers=ANY).status == 404


def test_a_change_is_audited(stack, project, path):
    stack.operator.put(path, RULES, headers=ANY)
    row = project.get("/v1/audit").json()["data"][0]
    assert row["action"] == "project.redaction" and row["object"] == project.id
    assert row["detail"] == RULES and row["actor"].startswith("key_")


def test_other_changes_of_a_webhook_still_count_its_version(stack, project, path):
    hook = project.webhook("https://hooks.example.com/a")
    before = stack.value("SELECT changed_xid::text FROM webhooks WHERE project_id = %s", [project.number])
    stack.operator.put(path, RULES, headers=ANY)
    row = stack.sql("SELECT changed_xid::text, version, updated_at = created_at FROM webhooks WHERE project_id = %s",
                    [project.number])[0]
    assert row[0] != before and row[1:] == (1, True)
    stack.operator.put(path, RULES, headers=ANY)
    assert stack.value("SELECT changed_xid::text FROM webhooks WHERE project_id = %s", [project.number]) == row[0]
    got = project.patch(f"/v1/webhooks/{hook['id']}", {"name": "n"}, headers={"If-Match": '"1"'})
    assert got.status == 200 and got.json()["version"] == 2


def test_a_webhook_made_meanwhile_is_told(stack, project, path):
    """Its making holds the project's row: who writes the rules waits for it, and then sees it."""
    project.webhook("https://hooks.example.com/a")
    before = stack.value("SELECT changed_xid::text FROM webhooks WHERE project_id = %s", [project.number])
    with stack.connect() as conn, ThreadPoolExecutor() as pool:
        conn.autocommit = False
        conn.execute("SELECT FROM projects WHERE id = %s FOR NO KEY UPDATE", [project.number])
        conn.execute("""INSERT INTO webhooks OVERRIDING SYSTEM VALUE
                        SELECT (jsonb_populate_record(w, jsonb_build_object('id', w.id + 1000000,
                                                                            'public_id', gen_random_uuid()))).*
                          FROM webhooks w WHERE project_id = %s""", [project.number])
        put = pool.submit(stack.operator.put, path, RULES, headers=ANY)
        eventually(lambda: stack.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        conn.commit()
        assert put.result(10).status == 200
    after = stack.sql("SELECT changed_xid::text FROM webhooks WHERE project_id = %s", [project.number])
    assert len(after) == 2 and after[0] == after[1] != (before,)
