"""The document as it is served, and every operation of it called once with its own example."""

import json

import pytest

from harness.office import Office
from harness.openapi import Document

STACK = {"desk": 4}
TOLD_HEADERS = ("etag", "link", "location", "retry-after", "set-cookie", "www-authenticate", "content-disposition",
                "idempotency-replayed")
document = Document()


def those(chosen):
    return pytest.mark.parametrize("operation", [*filter(chosen, document.operations)], ids=lambda op: op.id)


every = those(lambda op: True)
closed = those(lambda op: op.scope != "none")
scoped = those(lambda op: op.scope not in ("none", "identified", "project"))
with_body = those(lambda op: op.has_body)


@pytest.fixture(scope="module")
def office(stack, peer):
    return Office(stack, peer)


# --- served -----------------------------------------------------------------------------------------------------------


def test_served_document_is_the_one_committed(stack):
    got = stack.anybody.get("/v1/openapi.json")
    assert got.status == 200 and got.headers["content-type"] == "application/json"
    assert got.json() == document.data


def test_document_has_a_strong_tag_and_is_not_sent_again(stack):
    got = stack.anybody.get("/v1/openapi.json")
    tag = got.headers["etag"]
    assert tag.startswith('"') and tag.endswith('"')
    again = stack.anybody.get("/v1/openapi.json", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert stack.anybody.get("/v1/openapi.json", headers={"If-None-Match": '"other"'}).status == 200


def test_head_of_the_document_has_its_length(stack):
    got = stack.anybody.call("HEAD", "/v1/openapi.json")
    assert got.status == 200 and got.body == b"" and int(got.headers["content-length"]) > 100000


# --- answers ----------------------------------------------------------------------------------------------------------


def declared(operation, got):
    """What the document says of this answer."""
    assert str(got.status) in operation.told["responses"], f"{operation.id}: {got} is not in the document"
    return document.resolve(operation.told["responses"][str(got.status)])


def check_headers(told, got):
    named = {name.lower(): document.resolve(header) for name, header in told.get("headers", {}).items()}
    for name, header in named.items():
        assert name in got.headers or not header.get("required"), f"{name} is missing"
        value = got.headers.get(name)
        if value is not None:
            value = int(value) if header["schema"].get("type") == "integer" else value
            assert document.errors(header["schema"], value) == [], name
    assert [name for name in TOLD_HEADERS if name in got.headers and name not in named] == []


def check(operation, got):
    told = declared(operation, got)
    check_headers(told, got)
    content = told.get("content", {})
    if not content:
        assert got.body == b""
        return
    kind = got.headers["content-type"].partition(";")[0]
    assert kind in content
    if kind.endswith("json"):
        value = json.loads(got.body)
        assert document.errors(content[kind]["schema"], value) == []
        assert list(document.undocumented(content[kind]["schema"], value)) == []


@every
def test_example_is_answered_as_documented(office, operation):
    got = office.call(operation)
    assert str(got.status) == operation.main_status, got
    check(operation, got)


@closed
def test_without_a_key_it_is_401(office, operation):
    got = office.call(operation, client=office.stack.anybody, places=anything(operation))
    assert got.status == 401
    check(operation, got)


@scoped
def test_scope_is_asked_for_by_its_name(office, operation, bystander):
    """A key without the scope is refused before anything is looked up."""
    got = office.call(operation, client=bystander, places=anything(operation))
    assert got.status == 403 and got.json().get("error")
    if not operation.path.startswith("/dlq"):
        assert got.json()["requiredScope"] == operation.scope
    check(operation, got)


@every
def test_unknown_query_parameter_is_400(office, operation):
    places = {**anything(operation), "projectId": office.other.id}
    got = office.call(operation, places=places, query={"surprise": "1"})
    assert got.status == 400, got
    check(operation, got)


@with_body
def test_unknown_field_is_400(office, operation):
    places = {**anything(operation), "projectId": office.other.id, "webhookId": office.hook, "operationId": office.planned}
    body = {**office.body(operation), "surprise": 1}
    got = office.client(operation).call(operation.method.upper(), office.path(operation, places), body,
                                        headers={"If-Match": "*"} if operation.wants("If-Match") else {})
    assert got.status == 400 and got.json()["code"] == "unknown-field", got
    check(operation, got)


@pytest.fixture(scope="module")
def bystander(office):
    """A key of the project that may do next to nothing."""
    return office.project.limited("alerts:read")


def anything(operation):
    """Well-formed values for a path that nobody has."""
    return {p["name"]: str(p["example"]) for p in operation.parameters if p["in"] == "path"}
