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


# --- lanes ------------------------------------------------------------------------------------------------------------

LANES = 2000
LANED = """
WITH p AS (INSERT INTO projects (public_id, name, plan, retention_s) VALUES (gen_random_uuid(), 't', 'growth', 30 * 86400) RETURNING id),
w AS (INSERT INTO webhooks (public_id, project_id, shard, url, event_types, channels, customer_ids, header_names, secret_sealed,
          timeout_ms, max_attempts, retry_schedule, max_concurrency, expected_statuses, hold_budget_s, enabled, paused_at)
      SELECT gen_random_uuid(), p.id, 0, 'http://x.test/', '{{}}', '{{}}', '{{}}', '{{}}', '', 1000, 1, '{{}}', 1, '{{}}', 60, true,
             CASE WHEN g % 100 = 0 THEN dlo_now() END
        FROM p, generate_series(1, {n}) g RETURNING id),
o AS (INSERT INTO bulk_operations (id, project_id, kind, state, query, actor, anew, rate, truncated, total, start_at, tokens, fed_at)
      SELECT gen_random_uuid(), p.id, 1, 2, '{{}}', 't', false, 1000, false, 10 * {n}, dlo_now(), {tokens},
             clock_timestamp() + interval '1 hour' FROM p RETURNING id, number),
l AS (INSERT INTO bulk_lanes (operation, webhook_id, first, last, next)
      SELECT o.number, w.id, f, f + 9, f
        FROM o, (SELECT id, (10 * (row_number() OVER (ORDER BY id) - 1))::int4 + 1 AS f FROM w) w),
i AS (INSERT INTO bulk_items (operation, item, drawer, entry_id)
      SELECT o.number, g, 1, gen_random_uuid() FROM o, generate_series(1, 10 * {n}) g)
SELECT id FROM o
"""


def reads(conn, call):
    """What `call` gives, and how many rows of each table it read."""
    def counters():
        return dict(conn.execute("SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables").fetchall())

    with conn.transaction():
        before, got, after = counters(), call(), counters()
    return got, {table: n - before.get(table, 0) for table, n in after.items()}


def take(conn, op, most=500):
    return conn.execute("SELECT nth, item FROM dlo_operation_take(%s, %s, 4000, 5) ORDER BY nth", [op, most]).fetchall()


@pytest.fixture
def emptied(pinned):
    for table in ("redrives", "bulk_lanes", "bulk_items", "bulk_operations"):
        pinned.execute(f"DELETE FROM {table}")
        pinned.execute(f"VACUUM ANALYZE {table}")
    return pinned


def laned(conn, tokens):
    """An operation over many webhooks, whose plans were made when there was none."""
    assert take(conn, conn.execute(LANED.format(n=2, tokens=20)).fetchone()[0])
    return conn.execute(LANED.format(n=LANES, tokens=tokens)).fetchone()[0]


def test_lanes_are_not_looked_at_without_a_rate_for_them(emptied):
    op = laned(emptied, 0.5)
    got, read = reads(emptied, lambda: take(emptied, op))
    assert got == [] and read.get("bulk_lanes", 0) <= 1 and not read.get("webhooks"), read


def test_what_a_tenth_of_a_second_brings_is_taken_together(emptied):
    """Of a rate of 200 a second twenty, or what is left."""
    op = laned(emptied, 19.9)
    emptied.execute("UPDATE projects SET bulk_rate = 200")
    assert take(emptied, op) == []
    emptied.execute("UPDATE bulk_operations SET tokens = 20 WHERE id = %s", [op])
    assert len(take(emptied, op)) == 20
    emptied.execute("UPDATE bulk_operations SET tokens = 3, total = fed + 3 WHERE id = %s", [op])
    assert len(take(emptied, op)) == 3


def test_a_turn_reads_each_lane_once(emptied):
    op = laned(emptied, 300)
    got, read = reads(emptied, lambda: take(emptied, op))
    assert [nth for nth, _ in got] == list(range(1, 301))
    assert read["bulk_lanes"] <= LANES + 2 * 300 + 1 and read["bulk_items"] <= 300, read
    assert read["webhooks"] <= LANES / 100, read  # those that are paused
    assert len({item // 10 for _, item in got}) == 300  # one of each lane


def test_every_lane_has_its_turn(emptied):
    op = laned(emptied, 300)
    seen = set()
    for _ in range(-(-LANES // 300)):
        seen |= {item // 10 for _, item in take(emptied, op)}
        emptied.execute("UPDATE bulk_operations SET tokens = 300 WHERE id = %s", [op])
    assert seen >= set(range(LANES))


def test_what_was_skipped_costs_nothing_of_the_rate(emptied):
    op = laned(emptied, 300)
    taken = len(take(emptied, op))
    left = emptied.execute("SELECT tokens FROM bulk_operations WHERE id = %s", [op]).fetchone()[0]
    emptied.execute("SELECT dlo_operation_refund(%s, %s::int8)", [op, taken])
    assert (left, emptied.execute("SELECT tokens FROM bulk_operations WHERE id = %s", [op]).fetchone()[0]) == (0, 300)
