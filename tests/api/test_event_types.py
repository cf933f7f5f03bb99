"""/v1/event-types, and the schemas at the door: what they refuse is stored nowhere and counted once."""

import re

import pytest

from harness.wait import eventually

STACK = {"worker": False}
ANY = {"If-Match": "*"}
ORDER = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "lines": {"items": {
    "required": ["sku"]}}}}


def path(name):
    return f"/v1/event-types/{name}"


def define(project, name, schema, **fields):
    got = project.put(path(name), {"schema": schema, **fields})
    assert got.status == 201, got
    return got.json()


def send(project, payload, name="order.paid", **fields):
    return project.post("/v1/events", {"eventType": name, "payload": payload, **fields})


def send_bytes(project, payload, name="order.paid"):
    return project.post("/v1/events", b'{"eventType":"%s","payload":%s}' % (name.encode(), payload),
                        headers={"Content-Type": "application/json"})


def actions(project):
    rows = project.stack.sql("SELECT action, object FROM audit_log WHERE project_id = %s ORDER BY id", [project.number])
    return [tuple(row) for row in rows if row[0].startswith("event-type")]


# --- the resource -----------------------------------------------------------------------------------------------------


def test_put_creates(project):
    got = project.put(path("order.paid"), {"description": "an order, ü", "schema": ORDER})
    made = got.json()
    assert got.status == 201 and got.headers["etag"] == '"1"'
    assert got.headers["location"] == "http://dlo.test/v1/event-types/order.paid"
    assert made.pop("createdAt") == made.pop("updatedAt")
    assert made == {"name": "order.paid", "description": "an order, ü", "schema": ORDER, "version": 1}
    assert actions(project) == [("event-type.create", "order.paid")]


def test_get_shows_it(project):
    made = define(project, "order.paid", ORDER)
    got = project.get(path("order.paid"))
    assert got.status == 200 and got.json() == made and got.headers["etag"] == '"1"'


@pytest.mark.parametrize("schema", [True, False, None])
def test_schema_need_not_be_an_object(project, schema):
    assert define(project, "t", schema)["schema"] is schema


def test_all_fields_are_optional(project):
    got = project.put(path("t"), {})
    assert got.status == 201 and got.json()["schema"] is None and got.json()["description"] is None


def test_replacing_needs_if_match(project):
    define(project, "t", True)
    assert project.put(path("t"), {}).status == 428
    assert project.put(path("t"), {}, headers={"If-Match": '"2"'}).status == 412
    assert project.get(path("t")).json()["version"] == 1
    got = project.put(path("t"), {"schema": False}, headers={"If-Match": '"1"'})
    assert got.status == 200 and got.headers["etag"] == '"2"'
    assert got.json()["schema"] is False and got.json()["version"] == 2
    assert project.put(path("t"), {}, headers=ANY).json()["version"] == 3
    assert [a for a, _ in actions(project)] == ["event-type.create", "event-type.replace", "event-type.replace"]


def test_if_match_never_creates(project):
    assert project.put(path("t"), {}, headers=ANY).status == 412
    assert project.get(path("t")).status == 404


def test_delete(project):
    define(project, "t", True)
    assert project.delete(path("t")).status == 204
    assert project.get(path("t")).status == 404 and project.delete(path("t")).status == 404
    assert actions(project)[-1] == ("event-type.delete", "t")
    assert define(project, "t", True)["version"] == 1


@pytest.mark.parametrize("name", ["a%20b", "$x", "a" * 129, "%C3%BC", "a%2Fb"])
def test_name_is_that_of_an_event_type(project, name):
    assert project.get(path(name)).status == 404 and project.delete(path(name)).status == 404
    assert project.put(path(name), {}).status == 422
    assert project.put(path("a" * 128), {}).status == 201


BAD = [
    ({"schema": 7}, 422, "/schema", "bad-schema"),
    ({"schema": {"type": "strin"}}, 422, "/schema/type", "bad-schema"),
    ({"schema": {"properties": {"a": {"pattern": "("}}}}, 422, "/schema/properties/a/pattern", "bad-schema"),
    ({"schema": {"$ref": "https://example.com/s.json"}}, 422, "/schema/$ref", "bad-schema"),
    ({"schema": {"$schema": "http://json-schema.org/draft-04/schema#"}}, 422, "/schema/$schema", "bad-schema"),
    ({"schema": {"description": "x" * 65536}}, 422, "/schema", "bad-schema"),
    ({"description": 7}, 400, "/description", "wrong-type"),
    ({"description": "x" * 1025}, 422, "/description", "invalid-description"),
    ({"name": "t"}, 400, "", "unknown-field"),
]


@pytest.mark.parametrize("body, status, pointer, code", BAD, ids=[str(b[0])[:40] for b in BAD])
def test_refused_with_its_place(project, body, status, pointer, code):
    got = project.put(path("t"), body)
    assert (got.status, got.code, got.pointers()) == (status, code, [pointer])
    assert project.get(path("t")).status == 404


@pytest.mark.parametrize("body", [b"", b"{", b'{"schema":true,"schema":true}', b'"x"', b'{"schema":\xff}'])
def test_malformed_body_is_400(project, body):
    assert project.put(path("t"), body, headers={"Content-Type": "application/json"}).status == 400


def test_body_that_is_too_large_is_413(project):
    assert project.put(path("t"), {"schema": {"description": "x" * 90000}}).status == 413


def test_list_pages_newest_first(project):
    for n in range(5):
        define(project, f"t.{n}", True if n % 2 else None)
    seen, cursor = [], None
    while True:
        page = project.get("/v1/event-types", query={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += page["data"]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert [t["name"] for t in seen] == ["t.4", "t.3", "t.2", "t.1", "t.0"]
    assert [t["hasSchema"] for t in seen] == [False, True, False, True, False]
    assert set(seen[0]) == {"name", "description", "hasSchema", "version", "createdAt", "updatedAt"}


def test_list_pages_through_equal_times(project):
    project.stack.sql("INSERT INTO event_types (project_id, name, created_at) SELECT %s, 't.' || n, '2026-01-01Z'"
                          " FROM generate_series(1, 7) n", [project.number])
    first = project.get("/v1/event-types", query={"limit": 4}).json()
    rest = project.get("/v1/event-types", query={"limit": 4, "cursor": first["nextCursor"]}).json()
    assert {t["name"] for t in first["data"] + rest["data"]} == {f"t.{n}" for n in range(1, 8)}
    assert rest["nextCursor"] is None


def test_another_project_sees_none_of_it(stack, project):
    define(project, "t", False)
    other = stack.project()
    assert other.get(path("t")).status == 404 and other.delete(path("t")).status == 404
    assert other.get("/v1/event-types").json()["data"] == []
    assert send(other, 1, "t").status == 202


def test_at_most_a_thousand(project):
    project.stack.sql("INSERT INTO event_types (project_id, name) SELECT %s, 't.' || n FROM generate_series(1, 1000) n",
                          [project.number])
    got = project.put(path("one.more"), {})
    assert (got.status, got.code) == (422, "too-many-event-types")
    assert project.put(path("t.1"), {}, headers=ANY).status == 200


def test_scopes(project):
    reader = project.limited("webhooks:read")
    assert reader.put(path("t"), {}).status == 403 and reader.delete(path("t")).status == 403
    assert reader.get("/v1/event-types").status == 200
    assert project.limited("events:write").get("/v1/event-types").status == 403


# --- at the door ------------------------------------------------------------------------------------------------------


def test_payload_that_satisfies_its_schema_is_taken(project):
    define(project, "order.paid", ORDER)
    assert send(project, {"id": "o1", "lines": [{"sku": 1}]}).status == 202
    assert project.rows("events") == 1


def test_payload_that_does_not_is_refused_with_its_place(project):
    define(project, "order.paid", ORDER)
    got = send(project, {"id": "o1", "lines": [{"sku": 1}, {}]}, externalId="x")
    assert (got.status, got.code, got.pointers()) == (422, "schema", ["/payload/lines/1"])
    assert got.json()["errors"][0]["detail"] == "the member 'sku' is missing"
    assert send(project, 7).pointers() == ["/payload"]
    assert project.rows("events") == 0 and project.rows("event_keys") == 0


def test_what_was_refused_may_come_again_mended(project):
    define(project, "order.paid", ORDER)
    assert send(project, {}, externalId="x").status == 422
    assert send(project, {"id": "1"}, externalId="x").json()["status"] == "unroutable"


def test_other_types_are_not_looked_at(project):
    define(project, "order.paid", False)
    assert send(project, 1, "order.refunded").status == 202
    assert send(project, 1).status == 422


def test_type_without_a_schema_takes_anything(project):
    define(project, "order.paid", None)
    assert send_bytes(project, b"123456789012345678901234567890").status == 202


@pytest.mark.parametrize("payload", [b"123456789012345678901234567890", b'{"a":1,"a":2}', b'"\\ud800"', b"1e400"])
def test_what_cannot_be_represented_satisfies_no_schema(project, payload):
    define(project, "order.paid", True)
    assert send_bytes(project, payload, "other").status == 202
    got = send_bytes(project, payload)
    assert (got.status, got.code, got.pointers()) == (422, "schema", ["/payload"])


def test_costly_payload_is_refused_as_such(project):
    define(project, "order.paid", {"pattern": "^(a+)+$"})
    got = send(project, "a" * 2000 + "!")
    assert (got.status, got.code) == (422, "schema-too-costly")
    assert send(project, "aaa").status == 202


def test_in_a_batch_only_the_bad_lines_are_rejected(project):
    define(project, "order.paid", ORDER)
    lines = [{"eventType": "order.paid", "payload": p} for p in ({"id": "1"}, {"id": 1}, {"id": "3"})]
    lines.append({"eventType": "other", "payload": 7})
    results = project.post("/v1/events/batch", {"events": lines}).json()["results"]
    assert [r["status"] for r in results] == ["unroutable", "rejected", "unroutable", "unroutable"]
    error = results[1]["error"]
    assert (error["status"], error["code"]) == (422, "schema")
    assert error["errors"] == [{"pointer": "/payload/id", "detail": "must be of type string"}]
    assert project.rows("events") == 3


def test_batch_of_costly_payloads_ends(project):
    """Each stays within its own budget, at some 15 ms; nobody gets 1,000 times that."""
    define(project, "order.paid", {"items": {"pattern": "^(?:(?=.*+)){1000}"}})
    line = {"eventType": "order.paid", "payload": ["a" * 60] * 40 + [{"b" * 5000: 1}]}
    assert send(project, line["payload"]).status == 202
    results = project.post("/v1/events/batch", {"events": [line] * 1000}).json()["results"]
    assert results[0]["status"] == "unroutable"
    assert results[-1]["error"]["code"] == "schema-too-costly" and "smaller" in results[-1]["error"]["detail"]
    assert project.rows("events") == 1 + sum(r["status"] == "unroutable" for r in results)


def test_changed_schema_works_within_seconds(project):
    made = define(project, "order.paid", False)
    assert send(project, 1).status == 422
    project.put(path("order.paid"), {"schema": True}, headers={"If-Match": f'"{made["version"]}"'})
    eventually(lambda: send(project, 1).status == 202, every=0.2)
    project.delete(path("order.paid"))
    define(project, "order.paid", {"type": "string"})
    eventually(lambda: send(project, 1).status == 422, every=0.2)
    assert send(project, "x").status == 202


def test_many_schemas_do_not_crowd_each_other_out(project):
    """More than the cache holds: each is fetched again when it is needed."""
    for n in range(30):
        schema = {"const": n, "description": "x" * 40000}
        define(project, f"t.{n}", schema)
    for _ in range(2):
        for n in range(30):
            assert send(project, n, f"t.{n}").status == 202
            assert send(project, n + 1, f"t.{n}").status == 422


def test_refusals_are_counted(stack, project):
    def counted():
        text = stack.operator.get("/metrics").body.decode()
        return (int(re.search(r"^dlo_events_schema_rejected_total (\d+)$", text, re.M).group(1)),
                int(re.search(r'^dlo_events_total\{status="rejected"\} (\d+)$', text, re.M).group(1)))
    define(project, "order.paid", ORDER)
    schema, rejected = counted()
    send(project, {})
    project.post("/v1/events/batch", {"events": [{"eventType": "order.paid", "payload": {}}] * 2 + [{"payload": 1}]})
    assert counted() == (schema + 3, rejected + 4)
