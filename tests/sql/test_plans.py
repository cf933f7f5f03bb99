"""The hot statements never walk a whole table: their plans, pinned as the programs pin them, hold no sequential scan."""

import re

import pytest

from harness.process import ROOT
from harness.statement import all_statements

BIG = "events|attempts|dead_letters|dead_letter_bodies|ready|later|event_keys|notices|dlq_groups|group_buckets|dlq_stats|" \
      "config_warnings"
HOT = {
    "worker": ["heads", "arrivals", "takeover", "complete", "complete_final", "promote", "payload", "overdue_holds",
               "lease_renew", "notice_flush", "fold_groups", "fold_warnings"],
    "fcgi": ["event_ingest", "event_batch", "event_key", "entry_rows", "entry_redrive", "entry_edit", "entry_decide", "entry_body",
             "entry_attempts", "delivery_rows", "delivery_attempts", "delivery_cancel", "event_rows", "event_payload",
             "system_body", "system_route", "export_bodies", "group_rows", "group_template", "group_triage",
             "config_warnings", "stats_buckets"],
}
SETTINGS_IN = {"worker": "worker/pipe.c", "fcgi": "fcgi/serve.c"}
CASES = [s for directory, names in HOT.items() for s in all_statements(directory) if s.name in names]


def settings_of(directory):
    """The SET commands that the program itself sends at connection."""
    text = (ROOT / SETTINGS_IN[directory]).read_text()
    return re.findall(r"SET (?:plan_cache_mode|enable_\w+|jit) = \w+", text)


@pytest.fixture(scope="module")
def conn(cluster, database):
    with cluster.connect("dlo_owner", database) as one:
        yield one


def plan_of(conn, statement):
    conn.execute("DISCARD ALL")
    for command in settings_of(statement.path.parts[-3]):
        conn.execute(command)
    # what a test looks at is whether an index fits, not whether an empty table is worth one
    conn.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
    conn.execute(f"PREPARE under_test AS {statement.text}")
    row = conn.execute("SELECT cardinality(parameter_types) FROM pg_prepared_statements").fetchone()
    nulls = ", ".join(["NULL"] * row[0])
    arguments = f"({nulls})" if nulls else ""
    return "\n".join(r[0] for r in conn.execute(f"EXPLAIN EXECUTE under_test{arguments}"))


def test_hot_statements_exist():
    assert {s.name for s in CASES} == {name for names in HOT.values() for name in names}


def test_senders_pin_their_plans():
    assert "SET plan_cache_mode = force_generic_plan" in settings_of("worker")


@pytest.mark.parametrize("statement", CASES, ids=[s.id for s in CASES])
def test_no_sequential_scan(conn, statement):
    plan = plan_of(conn, statement)
    found = re.findall(rf"Seq Scan on (?:{BIG})(?:_[dw]\d+|_held)?\b", plan)
    assert not found, f"{sorted(set(found))[:5]}\n{plan[:6000]}"


def test_a_poll_keeps_to_its_key_whatever_fills_the_queue(conn):
    """An ANALYZE makes plans anew: most rows in one shard, or of one transaction, must not make others look cheap."""
    arrivals = next(s for s in CASES if s.name == "arrivals")
    for shard in ("7", "i % 64"):
        conn.execute("DISCARD ALL")
        for command in settings_of("worker"):
            conn.execute(command)
        conn.execute("BEGIN")
        conn.execute(f"""
            INSERT INTO ready (shard, project_id, webhook_id, payload_bytes, source_drawer, tries, class, generation,
                               delivery_id, event_id, created_at, ready_at)
            SELECT {shard}, 1, i % 50, 64, 1, 0, 0, 0, gen_random_uuid(), gen_random_uuid(), now(), now()
              FROM generate_series(1, 20000) i""")
        conn.execute("ANALYZE ready")
        try:
            conn.execute(f"PREPARE skewed AS {arrivals.text}")
            plan = "\n".join(r[0] for r in conn.execute("EXPLAIN EXECUTE skewed('{7}', '1', '{1}')"))
        finally:
            conn.execute("ROLLBACK")
        assert set(re.findall(r"\bready_\w+", plan)) == {"ready_pkey"}, plan
