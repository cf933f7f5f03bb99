"""Requests made from the document by schemathesis, good and bad ones, against a running stack.

No answer may be a 5xx, have a status, a content type or a body that the document does not name, or take what the document
says is refused, or refuse a field without saying which. The seed is fixed, so a failure comes again; no worker runs meanwhile, so nothing leaves for the URLs made up.
"""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (content_type_conformance, negative_data_rejection,
                                               response_headers_conformance, response_schema_conformance,
                                               status_code_conformance)

from harness.office import Office
from harness.openapi import Document

STACK = {"desk": 4}
SEED = 20261123
# Of each operation; 180 tests then take about 45 s. 40 and 60 with another seed are worth a run after larger changes.
EXAMPLES = {"positive": 6, "negative": 8}
HASHING = {"signIn", "changePassword", "createUser", "setPassword"}  # a password costs a tenth of a second
REFUSALS = ["400", "401", "403", "404", "409", "410", "412", "413", "415", "422", "428", "429"]
# Refused as a whole, or by what is in no member of the request.
OF_NO_PLACE = {"bad-uri", "body-cut-short", "http-400", "idempotency-key-reused", "transforms-unavailable"}
MEANT = {("isReady", not_a_server_error)}  # there is no worker, and 503 is what is documented
# Each event of a batch is judged by itself: the call succeeds and says which were refused.
TAKES_BAD_DATA = {"postEvents"}

document = Document()
every = pytest.mark.parametrize("operation", document.operations, ids=lambda op: op.id)


@pytest.fixture(scope="module")
def office(stack, peer):
    one = Office(stack, peer)
    stack.stop_process("worker")
    return one


@pytest.fixture(scope="module")
def schema(stack):
    config = SchemathesisConfig.from_dict({
        "generation": {"with-security-parameters": False},
        "output": {"sanitization": {"enabled": False}},
        "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
    })
    made = schemathesis.openapi.from_dict(document.data, config=config)
    made.config.update(base_url=f"http://127.0.0.1:{stack.port}")
    return made


def places_a_problem(ctx, response, case):
    """What is wrong with a field, a parameter or a header is told with its place."""
    if response.status_code in (400, 422) and response.headers["content-type"] == ["application/problem+json"]:
        told = response.json()
        assert told["code"] in OF_NO_PLACE or told.get("errors"), f"{told['code']} without its place: {told}"


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance, places_a_problem]


def run(office, schema, operation, mode, checks):
    client = office.client(operation)
    identity = {**client.always, **({"Authorization": f"Bearer {client.key}"} if client.key else {})}
    # What is there, or everything would be unknown. Bad ids in paths are made for what has nothing else to get wrong.
    given_parts = {}
    if operation.parameter_names("path") and mode.is_positive:
        given_parts["path_parameters"] = office.places(operation)
    elif operation.parameter_names("path") and operation.has_body:
        given_parts["path_parameters"] = office.known(operation)
    if operation.wants("If-Match"):
        given_parts["headers"] = {"If-Match": "*"}
    strategy = schema[operation.path][operation.method].as_strategy(generation_mode=mode, **given_parts)
    most = EXAMPLES[mode.value] // (3 if operation.id in HASHING else 1)

    @seed(SEED)
    @settings(max_examples=most, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def calls(case):
        answer = case.call(session=session, headers=identity, timeout=30)
        case.validate_response(answer, checks=[c for c in checks if (operation.id, c) not in MEANT], headers=identity)

    with requests.Session() as session:
        calls()


@every
def test_good_requests_are_answered_as_documented(office, schema, operation):
    run(office, schema, operation, GenerationMode.POSITIVE, CHECKS)


@every
def test_bad_requests_are_refused_as_documented(office, schema, operation):
    if not operation.parameters and not operation.has_body:
        return  # nothing of it can be wrong
    extra = [] if operation.id in TAKES_BAD_DATA else [negative_data_rejection]
    run(office, schema, operation, GenerationMode.NEGATIVE, CHECKS + extra)
