/*
 * Whether it lives, whether it is ready, and how it does: /healthz, /readyz, /metrics.
 *
 * /healthz says only that this process answers; it must never touch the database. /readyz names what is missing. Both
 * are open and tell no secret. /metrics needs the operator key. Reads only; a crash leaves nothing.
 */
#include <stdio.h>
#include <string.h>

#include "common/family.h"
#include "fcgi/handlers.h"
#include "fcgi/page.h"
#include "fcgi_sql.h"

#define SCHEMA_VERSION 8 /* the newest migration this program needs */
#define HEARTBEAT_S 15
#define METRICS_BYTES (4 << 20) /* 10 KiB a sender */

void health_alive(struct call *c)
{
    response_json(c->rs, 200, json_pack("{s:s, s:s}", "status", "ok", "version", DLO_VERSION));
}

/* readyz: schema version, drawers, seconds since a sender was seen */
static size_t missing(const PGresult *r, struct response_error *errors)
{
    size_t n = 0;
    if (db_int(r, 0, 0) < SCHEMA_VERSION)
        errors[n++] =
            (struct response_error){"/migrations", "migrations are not applied: run dlo migrate"};
    if (!db_bool(r, 0, 1))
        errors[n++] = (struct response_error){
            "/drawers", "no drawers for tomorrow: run dlo migrate, or start the worker"};
    if (db_null(r, 0, 2) || db_int(r, 0, 2) >= HEARTBEAT_S)
        errors[n++] = (struct response_error){
            "/sender", "no sender has been seen for 15 seconds: start dlo-worker"};
    return n;
}

static void not_ready(struct call *c, const struct response_error *errors, size_t n)
{
    response_header(c->rs, "Retry-After", "1");
    response_problem(c->rs, 503, "not-ready", errors[0].detail, errors, n);
}

void health_ready(struct call *c)
{
    static const struct response_error away = {"/database", "the database cannot be reached"};
    static const struct response_error unmigrated = {"/migrations",
                                                     "migrations are not applied: run dlo migrate"};
    struct response_error errors[3];
    PGresult *r;
    enum db_status s = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_READYZ], NULL, &r);
    if (s != DB_OK) {
        not_ready(c, s == DB_FAILED ? &unmigrated : &away, 1);
        return;
    }
    size_t n = missing(r, errors);
    PQclear(r);
    if (n)
        not_ready(c, errors, n);
    else
        response_json(c->rs, 200,
                      json_pack("{s:s, s:s}", "status", "ready", "version", DLO_VERSION));
}

/* The two lines before a family's first sample. A newer worker may have some that we do not know. */
static void begin_family(struct buf *out, const char *series, const struct family **last)
{
    const struct family *f = family_of(series);
    if (f && f != *last)
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
    *last = f;
}

static bool gauges(struct call *c, struct buf *out)
{
    PGresult *r;
    const struct family *last = NULL;
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_METRICS], NULL, &r)))
        return false;
    for (int i = 0; i < PQntuples(r); i++) {
        begin_family(out, db_text(r, i, 0), &last);
        buf_printf(out, "%s %s\n", db_text(r, i, 0), db_text(r, i, 1));
    }
    PQclear(r);
    return true;
}

/* What senders count; the names are theirs, the sender's label is put first. */
static bool senders(struct call *c, struct buf *out)
{
    PGresult *r;
    const struct family *last = NULL;
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_METRICS_SENDERS], NULL, &r)))
        return false;
    for (int i = 0; i < PQntuples(r); i++) {
        const char *series = db_text(r, i, 1);
        size_t name = strcspn(series, "{");
        begin_family(out, series, &last);
        buf_printf(out, "%.*s{sender=\"%s\"%s%s %s\n", (int)name, series, db_text(r, i, 0),
                   series[name] ? "," : "}", series[name] ? series + name + 1 : "",
                   db_text(r, i, 2));
    }
    PQclear(r);
    return true;
}

void health_metrics(struct call *c)
{
    struct buf out;
    buf_init(&out, METRICS_BYTES);
    page_metrics(&out);
    if (gauges(c, &out) && senders(c, &out))
        response_bytes(c->rs, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
    buf_release(&out);
}

const struct route health_routes[] = {
    {METHOD_GET, "/healthz", health_alive, SCOPE_NONE, 0, 0, NULL},
    {METHOD_GET, "/readyz", health_ready, SCOPE_NONE, 0, 0, NULL},
    {METHOD_GET, "/metrics", health_metrics, SCOPE_OPERATOR, 0, 0, NULL},
    {0},
};
