"""docs/openapi.yaml against the tables of routes: nothing is missing, nothing is invented; and every example fits."""

import json
import re
import subprocess
import sys

import pytest

from harness.openapi import Document
from harness.process import BUILD, ROOT

OPERATOR = [{"operatorKey": []}, {"keyHeader": []}]
WRITE = [{"key": []}, {"keyHeader": []}, {"session": [], "csrf": []}, {"session": [], "csrf": [], "project": []}]
SECURITY = {"none": [], "operator": OPERATOR}

document = Document()


def same_place(path):
    """Paths as the tables write them: /v1/dlq/{}/payload."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@pytest.fixture(scope="module")
def routes():
    told = subprocess.run([BUILD / "routes"], capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in told.splitlines()]
    return {(row["method"], row["pattern"]): row for row in rows}


@pytest.fixture(scope="module")
def operations():
    return {(op.method, same_place(op.path)): op for op in document.operations}


@pytest.fixture(scope="module")
def both(routes, operations):
    """Pairs of a route and what is written of it."""
    return [(routes[at], operations[at]) for at in routes if at in operations]


def test_yaml_is_openapi_and_json_was_made_from_it():
    done = subprocess.run([sys.executable, ROOT / "conf/build/openapi.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_route_is_written_down_and_no_other(routes, operations):
    assert sorted(set(routes) - set(operations)) == [], "not in docs/openapi.yaml"
    assert sorted(set(operations) - set(routes)) == [], "no such route"


def test_scopes_are_those_of_the_routes(both):
    wrong = [(op.id, op.told["x-required-scope"], row["scope"]) for row, op in both
             if op.told["x-required-scope"] != row["scope"]]
    assert wrong == []


def test_query_parameters_are_those_of_the_routes(both):
    wrong = [(op.id, set(row["query"]) ^ op.parameter_names("query")) for row, op in both
             if set(row["query"]) != op.parameter_names("query")]
    assert wrong == []


def test_bodies_and_their_limits_are_those_of_the_routes(both):
    for row, op in both:
        body = op.told.get("requestBody", {})
        types = (["application/json"] if row["json"] else []) + (["application/x-ndjson"] if row["ndjson"] else [])
        assert sorted(body.get("content", {})) == types, op.id
        assert op.told.get("x-body-limit-bytes", 0) == row["bodyLimit"], op.id
        fields = op.body_schema().get("required", [])
        assert body.get("required", False) == (row["json"] and (not row["optional"] or bool(fields))), op.id


def test_idempotency_key_stands_where_it_is_taken(both):
    on_events = {"postEvent", "postEvents"}
    for row, op in both:
        assert ("Idempotency-Key" in op.parameter_names("header")) == (row["idempotent"] or op.id in on_events), op.id


def test_security_follows_scope_and_method(both):
    for row, op in both:
        reads = row["method"] == "get"
        signed_in = [{"session": []} if reads else {"session": [], "csrf": []}]
        expected = {**SECURITY, "signed-in": signed_in}.get(row["scope"], document.data["security"] if reads else WRITE)
        if row["scope"] == "identified":
            expected = expected[:2] + OPERATOR[:1] + expected[2:]
        assert op.told.get("security", document.data["security"]) == expected, op.id


def test_statuses_follow_from_the_route(both):
    """What the dispatcher itself answers, whatever the handler does."""
    for row, op in both:
        needed = {"400", "500"} | ({"413", "415"} if row["json"] else set())
        if row["scope"] != "none":
            needed |= {"401", "403", "503"}
        if row["idempotent"]:
            needed |= {"409", "422"}
        if "If-Match" in op.parameter_names("header"):
            needed |= {"412", "428"}
        assert needed <= set(op.told["responses"]), (op.id, needed - set(op.told["responses"]))


def test_old_routes_have_errors_of_their_own(both):
    for row, op in both:
        errors = {status: list(document.resolve(answer).get("content", {"-": 0}))
                  for status, answer in op.told["responses"].items() if status >= "400"}
        kind = "application/json" if row["legacy"] else "application/problem+json"
        assert all(types == [kind] for types in errors.values()), (op.id, errors)


def test_every_request_and_main_response_has_an_example():
    for op in document.operations:
        for kind, media in op.told.get("requestBody", {}).get("content", {}).items():
            assert "example" in media, (op.id, kind)
        main = document.resolve(op.told["responses"][op.main_status])
        for kind, media in main.get("content", {}).items():
            assert kind == "application/octet-stream" or "example" in media or "examples" in media, (op.id, kind)


def test_every_example_fits_its_schema():
    wrong = [f"{place}: {why}" for place, schema, example in document.examples()
             for why in document.errors(schema, example)]
    assert wrong == []


def test_version_is_that_of_the_program():
    version = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]
    assert document.data["info"]["version"] == version
