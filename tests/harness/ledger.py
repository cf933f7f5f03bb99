"""Many dead letters at once, written by the database itself: clones of one real entry with other ids, times and causes."""

FILL = """
WITH o AS (SELECT * FROM dead_letters WHERE project_id = %(project)s ORDER BY created_at LIMIT 1),
k AS MATERIALIZED (SELECT g, gen_random_uuid() AS id FROM generate_series(%(first)s::int, %(last)s::int) g),
d AS (INSERT INTO dead_letters (drawer, project_id, id, webhook_id, delivery_id, event_id, created_at, updated_at, state,
          reason, permanent, intentional, last_status, attempt_count, generation, fingerprint_version, fingerprint,
          event_type, channel, customer_id, external_id, occurred_at)
      SELECT dlo_drawer(t.at, p.retention_s), o.project_id, k.id, o.webhook_id, k.id, gen_random_uuid(), t.at, t.at,
             CASE WHEN k.g %% 10 = 0 THEN 5 WHEN k.g %% 1000 = 1 THEN 3 ELSE 1 END, 1 + k.g %% 14, k.g %% 2 = 0, k.g %% 100 = 0,
             400 + k.g %% 50, 1, 0, 1, decode(md5((k.g %% %(groups)s)::text), 'hex'), 'type.' || k.g %% 40,
             'channel.' || k.g %% 7, 'c' || k.g %% 5000, 'x' || k.g, t.at - k.g %% 7 * interval '1 minute'
        FROM o JOIN projects p ON p.id = o.project_id, k
       CROSS JOIN LATERAL (SELECT dlo_now() - k.g * make_interval(secs => %(span)s::float / %(last)s) AS at) t
      RETURNING 1),
b AS (INSERT INTO dead_letter_bodies (drawer, project_id, id, url, attempts, payload)
      SELECT dlo_drawer(dlo_now() - k.g * make_interval(secs => %(span)s::float / %(last)s), p.retention_s), o.project_id, k.id,
             'http://x.test/', '[]', convert_to('{"g":' || k.g || ',"x":"' || repeat('y', %(bytes)s) || '"}', 'UTF8')
        FROM o JOIN projects p ON p.id = o.project_id, k RETURNING 1),
c AS (INSERT INTO dlq_deltas (project_id, webhook_id, channel, reason, state, n)
      SELECT o.project_id, o.webhook_id, 'channel.' || k.g %% 7, 1 + k.g %% 14,
             CASE WHEN k.g %% 10 = 0 THEN 5 WHEN k.g %% 1000 = 1 THEN 3 ELSE 1 END, count(*) FROM o, k GROUP BY 1, 2, 3, 4, 5)
SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM b)
"""


def fill(stack, project, n, groups=500, span_s=5 * 86400, payload_bytes=900, step=50000):
    """n entries beside the project's first, newest first over `span_s`: nine tenths open."""
    for first in range(1, n + 1, step):
        stack.sql(FILL.replace("/ %(last)s", f"/ {n}"),
                  {"project": project.number, "first": first, "last": min(first + step - 1, n), "groups": groups,
                   "span": span_s, "bytes": payload_bytes})
    stack.sql("ANALYZE dead_letters, dead_letter_bodies")
