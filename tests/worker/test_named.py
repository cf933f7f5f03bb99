"""Statements that are run often have their drawers in their text: what they open are those, not all there are."""

import re

import pytest

from harness.plans import log_plans, plans_of
from harness.wait import eventually

DRAWERED = "events|attempts|dead_letters|dead_letter_bodies"
NAMED = 8  # drawers in a text


@pytest.fixture
def sending(make_stack, peer):
    stack = make_stack()
    project = stack.project()
    log_plans(stack)
    return stack, project


def found(sending, call, name):
    """The last plan of the statement with its drawers in its text, called again until there is one."""
    stack, _ = sending
    plans = eventually(lambda: [p for p in plans_of(stack, call) if f"PREPARE {name}_" in p.statement])
    return plans[-1]


@pytest.mark.parametrize("path, name", [("/ok", "heads"), ("/status/404", "complete_final")])
def test_plan_opens_the_drawers_it_names(sending, peer, path, name):
    stack, project = sending
    path = peer.path(path)
    project.webhook(peer.url(path))

    def send():
        before = peer.count(path)
        project.event()
        eventually(lambda: peer.count(path) > before)
        eventually(lambda: stack.value("SELECT count(*) FROM ready") == 0)

    plan = found(sending, send, name)
    drawers = {m[0] for n in plan.scans(DRAWERED) if (m := re.search(r"_[dw]\d+$", n.relation))}
    assert 1 <= len(drawers) <= NAMED, plan
    assert "$6::int4" not in plan.statement and "$37::int4" not in plan.statement


def test_entry_of_another_drawer_is_found_and_named(sending, peer):
    """A re-drive whose source lies where nothing was sent from lately."""
    stack, project = sending
    path = peer.path("/flaky/1")
    project.webhook(peer.url(path), maxAttempts=1)
    project.event()
    entry = project.wait_entry()
    eventually(lambda: stack.value("SELECT count(*) FROM ready") == 0)
    other = stack.value("SELECT max(drawer) FROM drawers WHERE drawer < 1000000")
    for table in ("dead_letters", "dead_letter_bodies"):
        stack.sql(f"UPDATE {table} SET drawer = %s WHERE project_id = %s", [other, project.number])
    assert project.post(f"/v1/dlq/{entry['id']}/re-drive").status == 202
    eventually(lambda: project.entry(entry["id"])["state"] == "resolved")
    assert peer.count(path) == 2
