/*
 * Whether it lives, whether it is ready, and how it does: /healthz, /readyz, /metrics.
 *
 * /healthz says only that this process answers; it must never touch the database. /readyz names what is missing. Both
 * are open and tell no secret. /metrics needs the operator key. Reads only; a crash leaves nothing.
 */
#include <stdio.h>
#include <string.h>

#include "fcgi/handlers.h"
#include "fcgi/page.h"
#include "fcgi_sql.h"

#define SCHEMA_VERSION 3 /* the newest migration this program needs */
#define HEARTBEAT_S 15
#define METRICS_BYTES (256 * 1024)

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

static bool gauges(struct call *c, struct buf *out)
{
    PGresult *r;
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_METRICS], NULL, &r)))
        return false;
    for (int i = 0; i < PQntuples(r); i++)
        buf_printf(out, "# TYPE %s gauge\n%s %s\n", db_text(r, i, 0), db_text(r, i, 0),
                   db_text(r, i, 1));
    PQclear(r);
    return true;
}

/* The family a series belongs to: a histogram's three kinds of series are one. */
static const char *family_of(const char *series, char out[96])
{
    static const char *const endings[] = {"_bucket", "_sum", "_count"};
    size_t n = strcspn(series, "{");
    const char *type = n > 6 && memcmp(series + n - 6, "_total", 6) == 0 ? "counter" : "gauge";
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t len = strlen(endings[i]);
        if (n > len && memcmp(series + n - len, endings[i], len) == 0) {
            n -= len;
            type = "histogram";
        }
    }
    snprintf(out, 96, "%.*s", (int)n, series);
    return type;
}

/* What senders count; the names are theirs, the sender's label is put first. */
static bool senders(struct call *c, struct buf *out)
{
    PGresult *r;
    char family[96], last[96] = "";
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_METRICS_SENDERS], NULL, &r)))
        return false;
    for (int i = 0; i < PQntuples(r); i++) {
        const char *series = db_text(r, i, 1), *type = family_of(series, family);
        size_t name = strcspn(series, "{");
        if (strcmp(family, last) != 0)
            buf_printf(out, "# TYPE %s %s\n", family, type);
        buf_printf(out, "%.*s{sender=\"%s\"%s%s %s\n", (int)name, series, db_text(r, i, 0),
                   series[name] ? "," : "}", series[name] ? series + name + 1 : "",
                   db_text(r, i, 2));
        memcpy(last, family, sizeof last);
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
