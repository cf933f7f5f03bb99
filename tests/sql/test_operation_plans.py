"""Statements of bulk operations whose plan was made while nothing was under way, run when much is: what they read is bounded
by the items they are about, not by what is under way beside them."""

import json
import re

import pytest

from harness.plans import Plan
from harness.process import ROOT
from harness.statement import all_statements

STATEMENTS = {s.name: s for s in all_statements("worker")}
STAGE = 1500

FILL = """
WITH p AS (INSERT INTO projects (public_id, name, plan, retention_s) VALUES (gen_random_uuid(), 't', 'growth', 30 * 86400) RETURNING id),
o AS (INSERT INTO bulk_operations (id, project_id, kind, state, query, actor, anew, truncated, total, fed, probe_from, probe_size, start_at)
      SELECT gen_random_uuid(), p.id, 1, 2, '{{}}', 't', false, false, {n}, {n}, 0, {n}, dlo_now() FROM p RETURNING id, number, project_id),
k AS MATERIALIZED (SELECT g, gen_random_uuid() AS entry, gen_random_uuid() AS delivery FROM generate_series(1, {n}) g),
i AS (INSERT INTO bulk_items (operation, item, drawer, entry_id, outcome, made_id, made_drawer)
      SELECT o.number, k.g, {drawer}, k.entry, CASE WHEN k.g % 10 = 0 THEN 2 ELSE 0 END, CASE WHEN k.g % 10 = 0 THEN k.entry END, {drawer}
        FROM o, k),
r AS (INSERT INTO redrives (delivery_id, entry_id, entry_drawer, project_id, operation, item)
      SELECT k.delivery, k.entry, {drawer}, o.project_id, o.number, k.g FROM o, k WHERE k.g % 10 > 0),
d AS (INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state, reason,
          permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint, event_type, channel, last_error)
      SELECT {drawer}, o.project_id, k.entry, 1, k.delivery, k.entry, dlo_now(), dlo_now(), 1, 2, false, false, 503, 1, 1, 1,
             '\\x00'::bytea, 't', 'c', 'error ' || k.g FROM o, k)
SELECT id FROM o
"""


@pytest.fixture
def pinned(cluster, database):
    """A connection that holds its plans as worker/operations.c does."""
    commands = re.search(r'#define PINNED "(.*)"', (ROOT / "worker/operations.c").read_text())[1]
    with cluster.connect("dlo_owner", database) as one:
        for command in commands.split(";"):
            one.execute(command)
        yield one


@pytest.mark.parametrize("before", ["", "ANALYZE redrives, bulk_items, bulk_lanes", "ANALYZE"], ids=["new", "analyzed", "all"])
def test_probe_looks_each_item_up(pinned, before):
    for table in ("redrives", "bulk_items", "bulk_operations"):
        pinned.execute(f"DELETE FROM {table}")
        pinned.execute(f"VACUUM {table}")
    if before:
        pinned.execute(before)
    pinned.execute(f"PREPARE probe AS {STATEMENTS['operation_probe'].text}")
    pinned.execute("EXPLAIN EXECUTE probe('00000000-0000-0000-0000-000000000000')")  # the plan of an empty table is kept
    drawer = pinned.execute("SELECT dlo_drawer(dlo_now(), 30 * 86400)").fetchone()[0]
    op = pinned.execute(FILL.format(n=STAGE, drawer=drawer)).fetchone()[0]
    said = pinned.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE probe('{op}')").fetchone()[0]
    plan = Plan(json.dumps({"Query Text": "operation_probe", "Plan": said[0]["Plan"]}))
    assert plan.read("redrives") <= STAGE, plan
    assert plan.read("bulk_items") <= STAGE + 1, plan
    assert plan.read("dead_letters") <= 1, plan
    sent, succeeded, failed, error = pinned.execute(f"EXECUTE probe('{op}')").fetchone()
    assert (sent, succeeded, failed, error) == (STAGE, 0, STAGE // 10, f"error {STAGE}")
