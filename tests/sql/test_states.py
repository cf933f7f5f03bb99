"""The closed lists in common/states.[ch] against the database's CHECK constraints and API.md's words."""

import re

import pytest

from harness.process import ROOT

HEADER = (ROOT / "common" / "states.h").read_text()
SOURCE = (ROOT / "common" / "states.c").read_text()

API_REASONS = """timeout http_5xx http_4xx http_429 http_408 redirect connection_refused connection_reset dns tls network
address_refused response_too_large invalid_response retries_exhausted circuit_open payload_rejected payload_too_large
endpoint_disabled transform_failed internal unroutable""".split()
API_STATES = ["open", "replaying", "resolved", "refailed", "discarded", "expired"]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def enum(name):
    """{constant: number} of one enum, numbered as C numbers it."""
    body = re.search(rf"enum {name} \{{(.*?)\}}", without_comments(HEADER), re.S).group(1)
    numbers, following = {}, 0
    for item in filter(None, (part.strip() for part in body.split(","))):
        constant, _, value = (word.strip() for word in item.partition("="))
        following = int(value) if value else following
        numbers[constant] = following
        following += 1
    return numbers


def names(table):
    """{constant: name} of an array of designated initialisers."""
    body = re.search(rf"{table}\[.*?\] = \{{(.*?)\n\}};", without_comments(SOURCE), re.S).group(1)
    return dict(re.findall(r"\[(\w+)\] = \{?\"(\w+)\"", body))


def transitions():
    return re.findall(r"\{(ENTRY_\w+), (ENTRY_\w+), (ENTRY_\w+), \"", SOURCE)


@pytest.fixture(scope="module")
def checks(cluster, database):
    """{(table, column): (lowest, highest)} of the range constraints, and of lists that have no gap."""
    found = {}
    with cluster.connect("dlo_owner", database, autocommit=False) as conn:
        rows = conn.execute("""SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
                                WHERE contype = 'c' AND conrelid IN ('dead_letters'::regclass, 'attempts'::regclass,
                                      'ready'::regclass, 'later'::regclass, 'bulk_operations'::regclass,
                                      'bulk_items'::regclass)""").fetchall()
    for table, text in rows:
        column = re.search(r"\(\(*(\w+)", text[len("CHECK "):]).group(1)
        numbers = [int(n) for n in re.findall(r"\b\d+\b", text)]
        found[table, column] = (min(numbers), max(numbers))
    return found


@pytest.mark.parametrize("table, column, name, without", [
    ("dead_letters", "state", "entry_state", ()),
    ("dead_letters", "reason", "reason", ("REASON_NONE", "REASON_COUNT")),
    ("attempts", "reason", "reason", ("REASON_COUNT",)),
    ("attempts", "outcome", "outcome", ()),
    ("attempts", "kind", "attempt_kind", ()),
    ("ready", "class", "delivery_class", ()),
    ("later", "class", "delivery_class", ()),
    ("bulk_operations", "kind", "operation_kind", ()),
    ("bulk_operations", "state", "operation_state", ()),
    ("bulk_items", "outcome", "item_outcome", ()),
    ("bulk_items", "cause", "item_cause", ()),
])
def test_constraint_takes_exactly_the_enum(checks, table, column, name, without):
    numbers = [n for constant, n in enum(name).items() if constant not in without]
    assert checks[table, column] == (min(numbers), max(numbers))
    assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))


def test_reasons_are_the_words_of_the_api():
    table = names("reasons")
    assert set(table) == set(enum("reason")) - {"REASON_COUNT"}
    assert [table[c] for c in enum("reason") if c not in ("REASON_NONE", "REASON_COUNT")] == API_REASONS


def test_entry_states_are_the_words_of_the_api():
    table = names("entry_names")
    assert [table[c] for c in enum("entry_state") if c != "ENTRY_PURGED"] == API_STATES


def test_transitions_name_known_states_and_events():
    states, events = enum("entry_state"), enum("entry_event")
    assert len(transitions()) >= 8
    for before, event, after in transitions():
        assert before in states and after in states and event in events


def test_no_event_leads_two_ways():
    seen = [(before, event) for before, event, _ in transitions()]
    assert len(seen) == len(set(seen))


def test_every_state_but_expired_can_be_reached():
    reached = {"ENTRY_OPEN"} | {after for _, _, after in transitions()}
    assert set(enum("entry_state")) - reached == {"ENTRY_EXPIRED"}


ENDS = {"OPERATION_CANCELLED", "OPERATION_COMPLETED", "OPERATION_COMPLETED_WITH_FAILURES", "OPERATION_FAILED"}


def operation_transitions():
    return re.findall(r"\{(OPERATION_\w+), (OPERATION_\w+), (OPERATION_\w+),\s", SOURCE)


def test_operation_states_are_the_words_of_the_api():
    assert list(names("operation_names").values()) and set(names("operation_names").values()) == {
        "planned", "running", "paused", "cancelling", "cancelled", "completed", "completed_with_failures", "failed"}


def test_every_operation_can_end_and_no_end_is_left():
    found = operation_transitions()
    states = set(enum("operation_state"))
    assert {s for one in found for s in (one[0], one[2])} == states
    assert not ENDS & {start for start, _, _ in found}
    for start in states - ENDS:
        assert (start, "OPERATION_EXPIRE", "OPERATION_FAILED") in found
    assert len({(start, event) for start, event, _ in found}) == len(found)
