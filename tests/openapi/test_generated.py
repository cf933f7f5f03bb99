"""Requests made from the document by schemathesis, good and bad ones, against a running stack.

No answer may be a 5xx, have a status, a content type or a body that the document does not name, or take what the document
says is refused. The seed is fixed, so a failure comes again; no worker runs meanwhile, so nothing leaves for the URLs made up.
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
EXAMPLES = {"positive": 8, "negative": 10}
HASHING = {"signIn", "changePassword", "createUser", "setPassword"}  # a password costs a tenth of a second
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance]
REFUSALS = ["400", "401", "403", "404", "409", "410", "412", "413", "415", "422", "428", "429"]
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


def run(office, schema, operation, mode, checks):
    if operation.id == "isReady":  # there is no worker: 503 is what is documented
        checks = [check for check in checks if check is not not_a_server_error]
    client = office.client(operation)
    identity = {**client.always, **({"Authorization": f"Bearer {client.key}"} if client.key else {})}
    # What is there, for good requests: made up, an id would be unknown.
    places = office.places(operation) if mode.is_positive and operation.parameter_names("path") else None
    strategy = schema[operation.path][operation.method].as_strategy(generation_mode=mode, path_parameters=places)
    most = EXAMPLES[mode.value] // (3 if operation.id in HASHING else 1)

    @seed(SEED)
    @settings(max_examples=most, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def calls(case):
        answer = case.call(session=session, headers=identity, timeout=30)
        case.validate_response(answer, checks=checks, headers=identity)

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
