"""What PostgreSQL really did for a call: auto_explain's plans with the rows that each node read, taken from the log.

Statements are seen as the programs run them, with their parameters bound and their connections' settings.
"""

import json
import re

from harness.wait import eventually

SETTINGS = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
            "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off", "auto_explain.log_format": "json",
            "auto_explain.log_nested_statements": "on"}


class Node:
    """One node of a plan, with those below it."""

    def __init__(self, plan):
        self.kind = plan["Node Type"]
        self.relation = plan.get("Relation Name", "")
        self.index = plan.get("Index Name", "")
        self.loops = plan["Actual Loops"]
        self.rows = plan["Actual Rows"] * self.loops
        self.removed = plan.get("Rows Removed by Filter", 0) * self.loops
        self.feeds = plan.get("Parent Relationship") == "Outer"  # else it is a sub-plan of what is above
        self.below = [Node(p) for p in plan.get("Plans", ())]

    def every(self):
        yield self
        for node in self.below:
            yield from node.every()

    def lines(self, depth=0):
        """What ran, indented."""
        if self.loops:
            yield (f"{'  ' * depth}{self.kind} {self.relation} {self.index} rows={self.rows} removed={self.removed}"
                   f" loops={self.loops}")
            for node in self.below:
                yield from node.lines(depth + 1)


class Plan:
    def __init__(self, text):
        said = json.loads(text)
        self.statement = said["Query Text"]
        self.root = Node(said["Plan"])
        self.nodes = list(self.root.every())

    def scans(self, tables):
        """Nodes that read one of the tables, partitions included."""
        name = re.compile(rf"^(?:{tables})(?:_(?:[dw]\d+|held))?$")
        return [n for n in self.nodes if name.match(n.relation)]

    def read(self, tables):
        """Rows that were given or thrown away by the scans of these tables."""
        return sum(n.rows + n.removed for n in self.scans(tables))

    def sequential(self, tables):
        return sorted({n.relation for n in self.scans(tables) if n.kind == "Seq Scan"})

    def sorted(self):
        """The most rows that one sort was given."""
        given = (below for n in self.nodes if "Sort" in n.kind for below in n.below if below.feeds)
        return max((n.rows / max(n.loops, 1) for n in given), default=0)

    def __repr__(self):
        return "\n".join([self.statement[:400], *self.root.lines()])[:8000]


def log_plans(stack):
    """From now on; every backend of the programs is begun anew, so that it knows of it."""
    for role in ("dlo_api", "dlo_worker"):
        for name, value in SETTINGS.items():
            stack.cluster.sql(f"ALTER ROLE {role} IN DATABASE {stack.database} SET {name} = '{value}'")
    restart_backends(stack)


def restart_backends(stack):
    """Plans are made anew after it, on what is there now."""
    stack.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{stack.database}'"
                      " AND usename IN ('dlo_api', 'dlo_worker')")
    eventually(lambda: stack.anybody.get("/readyz").status == 200, 30)


def plans_of(stack, call):
    """The plans of all statements that ran while `call` did."""
    log = stack.cluster.server.log
    start = log.stat().st_size
    call()
    with open(log, errors="replace") as text:
        text.seek(start)
        said = text.read()
    return [Plan(m[1]) for m in re.finditer(r"LOG:  duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)", said)]
