"""Every statement of fcgi/, worker/ and cli/ against a fresh database, as the role that runs it."""

import re

import pytest

from harness.process import ROOT
from harness.statement import all_statements

STATEMENTS = all_statements()
ROLE = {"common": "dlo_owner", "fcgi": "dlo_api", "worker": "dlo_worker", "cli": "dlo_owner"}

# What holds one tenant's rows.
TENANT_TABLES = ("events", "ready", "later", "attempts", "dead_letters", "dead_letter_bodies", "webhooks", "redrives",
                 "dlq_counts", "dlq_deltas", "event_keys", "event_types", "expired_counts", "trials",
                 "bulk_operations", "bulk_items", "operations",
                 "dlq_groups", "group_deltas", "group_buckets", "dlq_stats", "system_entries",
                 "config_warnings", "warning_deltas", "dlq_drawers", "dlq_hours", "webhook_urls", "redrive_targets", "edits")
# Those that count over all tenants, for the operator's eyes only.
OVER_ALL = {"metrics", "metrics_senders", "readyz"}


@pytest.fixture(scope="module")
def connections(cluster, database):
    """One connection for each role, prepared as its programs prepare theirs."""
    made = {role: cluster.connect(role, database) for role in set(ROLE.values())}
    for conn in made.values():
        conn.execute("SET plan_cache_mode = force_generic_plan")
    yield made
    for conn in made.values():
        conn.close()


def role_of(statement):
    return ROLE[statement.path.parts[-3]]


@pytest.fixture
def prepared(connections, request):
    statement = request.param
    conn = connections[role_of(statement)]
    conn.execute(f"PREPARE under_test AS {statement.text}")
    yield statement, conn
    conn.execute("DEALLOCATE under_test")


def parameters(conn):
    row = conn.execute("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'under_test'").fetchone()
    return row[0]


def by_id(statements):
    return {"argvalues": statements, "ids": [s.id for s in statements]}


@pytest.mark.parametrize("prepared", indirect=True, **by_id(STATEMENTS))
def test_parameters_are_those_its_header_describes(prepared):
    statement, conn = prepared
    assert statement.described() == set(range(1, len(parameters(conn)) + 1))


@pytest.mark.parametrize("prepared", indirect=True, **by_id(STATEMENTS))
def test_its_role_may_run_it(prepared):
    """EXPLAIN checks privileges on every table that the statement touches, and runs nothing."""
    statement, conn = prepared
    nulls = ", ".join(["NULL"] * len(parameters(conn)))
    conn.execute(f"EXPLAIN EXECUTE under_test{f'({nulls})' if nulls else ''}")


@pytest.mark.parametrize("statement", **by_id(STATEMENTS))
def test_file_is_named_as_its_statement(statement):
    assert re.search(rf"^-- name: {statement.name}$", statement.header, re.M)


TENANT = [s for s in all_statements("fcgi") if s.name not in OVER_ALL
          and re.search(rf"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+({'|'.join(TENANT_TABLES)})\b", s.text)]


@pytest.mark.parametrize("statement", **by_id(TENANT))
def test_tenant_tables_are_reached_through_the_project(statement):
    assert statement.first_parameter().find("project") >= 0, statement.first_parameter()
    assert re.search(r"project_id = \$1|\bid = \$1|SELECT \$1|\bp\.id\b", statement.text)


def test_there_are_statements_to_look_at():
    assert len(STATEMENTS) > 90 and len(TENANT) > 20


def test_every_statement_file_is_read():
    assert len(STATEMENTS) == len(list(ROOT.glob("*/sql/*.sql")))
