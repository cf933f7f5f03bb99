"""Bulk operations, begun, looked at and waited for; their counts always add up."""

import itertools

from harness.wait import eventually

OPEN, REPLAYING, RESOLVED, REFAILED = 1, 2, 3, 4

keys = itertools.count(1)

FILL = """
WITH p AS (SELECT id, dlo_drawer(dlo_now(), retention_s) AS drawer FROM projects WHERE id = %(project)s),
e AS MATERIALIZED (
    SELECT i, (lpad(to_hex((extract(epoch FROM dlo_now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(i %% 4096), 3, '0')
               || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid AS id FROM generate_series(1, %(n)s) i),
letters AS (
    INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state, reason,
        permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint, event_type, channel)
    SELECT p.drawer, p.id, e.id, w.id, gen_random_uuid(), gen_random_uuid(), dlo_now() + e.i * interval '1 us', dlo_now(), 1, 2,
           false, false, 503, 1, 0, 1, '\\x00'::bytea, 'order.paid', 'bulk'
      FROM p, e, webhooks w WHERE w.public_id = %(hook)s::uuid),
bodies AS (
    INSERT INTO dead_letter_bodies (drawer, project_id, id, url, attempts, payload)
    SELECT p.drawer, p.id, e.id, 'http://x.test/', '[]', convert_to('{"n":' || e.i || '}', 'UTF8') FROM p, e)
INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
SELECT %(project)s, w.id, 'bulk', 2, 1, %(n)s FROM webhooks w WHERE w.public_id = %(hook)s::uuid
"""


def fill(project, n, url, **hook):
    """Open entries of one webhook, made by the database itself; the webhook."""
    made = project.webhook(url, **hook)
    public = project.stack.value("SELECT public_id FROM webhooks WHERE project_id = %s ORDER BY id DESC LIMIT 1", [project.number])
    project.stack.sql(FILL, {"project": project.number, "n": n, "hook": str(public)})
    return made


def start(project, kind="re-drive", **body):
    got = project.post(f"/v1/dlq/bulk-{kind}", {"all": True, **body}, headers={"Idempotency-Key": f"w-{next(keys)}"})
    assert got.status == 202, got
    return got.json()


def look(project, op):
    got = project.get(f"/v1/bulk-operations/{op['id']}")
    assert got.status == 200, got
    counts = got.json()["counts"]
    assert sum(n for name, n in counts.items() if name != "total") == counts["total"], counts
    return got.json()


def reaches(project, op, state, timeout=60):
    return eventually(lambda: (o := look(project, op))["state"] == state and o, timeout, 0.1)


def by_items(project, op):
    """The counts as the items themselves have them."""
    rows = project.stack.sql("""SELECT CASE WHEN i.item > o.fed THEN 'notStarted' ELSE
        (ARRAY['sent', 'succeeded', 'failed', 'cancelled', 'skipped'])[1 + i.outcome] END, count(*)
        FROM bulk_items i JOIN bulk_operations o ON o.number = i.operation
        WHERE o.project_id = %s AND dlo_id('op', o.id) = %s GROUP BY 1""", [project.number, op["id"]])
    return dict(rows)


def agree(project, op):
    """Counts and items say the same."""
    counts = look(project, op)["counts"]
    found = by_items(project, op)
    for name in ("notStarted", "sent", "succeeded", "failed"):
        assert counts[name] == found.get(name, 0), (counts, found)
    assert counts["skipped"] == found.get("skipped", 0) + found.get("cancelled", 0)
    return counts


def states(project):
    return dict(project.stack.sql("SELECT state, count(*) FROM dead_letters WHERE project_id = %s GROUP BY 1", [project.number]))


def goes_on(project, op, state, patience=60):
    """Waits as long as there is progress; fails when nothing has moved for so long. However loaded the machine is."""
    while True:
        before = look(project, op)
        if before["state"] == state:
            return before
        eventually(lambda: (o := look(project, op))["state"] == state or o["counts"] != before["counts"], patience, 0.2)
