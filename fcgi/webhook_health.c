/*
 * How a webhook fares: GET /v1/webhooks/{id}/health. Its route stands with the others of webhooks, in webhooks.c.
 *
 * Reads only, and never more than a bounded part of the queue and of the last day's attempts.
 */
#include "fcgi/handlers.h"

#include "fcgi/column.h"
#include "fcgi_sql.h"

#define HEALTH_QUEUE_ROWS 100000 /* past it "waiting" is a lower bound */
#define HEALTH_ATTEMPT_ROWS 5000 /* the newest ones */

/* The columns of webhook_health.sql. */
enum health_column {
    HEALTH_ID,
    HEALTH_ENABLED,
    HEALTH_REASON,
    HEALTH_PAUSED,
    HEALTH_OPEN,
    HEALTH_DUE,
    HEALTH_LATER,
    HEALTH_FIRST_DRAWER,
    HEALTH_LAST_DRAWER,
    HEALTH_CIRCUIT,
    HEALTH_OPENED,
    HEALTH_PROBE,
    HEALTH_COOLDOWN,
    HEALTH_FAILURES,
    HEALTH_REQUESTS,
    HEALTH_TRIPPED_BY
};

static json_t *milliseconds(const PGresult *res, int col)
{
    if (db_null(res, 0, col))
        return json_null();
    return json_real((double)(db_int(res, 0, col) / 100) / 10.0);
}

/* Adds the rate and the percentiles, all null without requests. */
static bool add_attempts(struct call *c, const PGresult *hook, json_t *health)
{
    PGresult *res;
    struct db_args a;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_int(&a, db_int(hook, 0, HEALTH_ID));
    db_args_int(&a, db_int(hook, 0, HEALTH_FIRST_DRAWER));
    db_args_int(&a, db_int(hook, 0, HEALTH_LAST_DRAWER));
    db_args_int(&a, HEALTH_ATTEMPT_ROWS);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_HEALTH_ATTEMPTS], &a, &res)))
        return false;
    int64_t requests = db_int(res, 0, 0), delivered = db_int(res, 0, 1);
    json_object_set_new(health, "requests", json_integer(requests));
    json_object_set_new(health, "successRate",
                        requests ? json_real((double)(delivered * 10000 / requests) / 10000.0)
                                 : json_null());
    json_object_set_new(health, "p50Ms", milliseconds(res, 2));
    json_object_set_new(health, "p95Ms", milliseconds(res, 3));
    PQclear(res);
    return true;
}

static const char *circuit_name(int state)
{
    return state == 1 ? "open" : "half_open";
}

static const struct column circuit[] = {
    {"state", HEALTH_CIRCUIT, COLUMN_NAME, 0, circuit_name},
    {"openedAt", HEALTH_OPENED, COLUMN_TIME, 0, NULL},
    {"nextProbeAt", HEALTH_PROBE, COLUMN_TIME, 0, NULL},
    {"cooldownSeconds", HEALTH_COOLDOWN, COLUMN_INT, 0, NULL},
    {"failures", HEALTH_FAILURES, COLUMN_INT, 0, NULL},
    {"requests", HEALTH_REQUESTS, COLUMN_INT, 0, NULL},
    {"trippedBy", HEALTH_TRIPPED_BY, COLUMN_JSON, 0, NULL},
};

/* A circuit has a row only while it is not closed. */
static json_t *circuit_of(const PGresult *res)
{
    json_t *o = column_object(res, 0, circuit, sizeof circuit / sizeof *circuit);
    if (o && db_null(res, 0, HEALTH_CIRCUIT)) {
        json_object_set_new(o, "state", json_string("closed"));
        json_object_set_new(o, "trippedBy", json_array());
    }
    return o;
}

static json_t *health_of(const PGresult *res)
{
    int64_t due = db_int(res, 0, HEALTH_DUE), later = db_int(res, 0, HEALTH_LATER);
    bool enabled = db_bool(res, 0, HEALTH_ENABLED), paused = db_bool(res, 0, HEALTH_PAUSED);
    bool held = paused || !enabled || !db_null(res, 0, HEALTH_CIRCUIT);
    bool capped = due >= HEALTH_QUEUE_ROWS || later >= HEALTH_QUEUE_ROWS;
    return json_pack("{sosbsbss?sIsIsssI}", "circuit", circuit_of(res), "paused", paused, "enabled",
                     enabled, "disabledReason",
                     db_null(res, 0, HEALTH_REASON) ? NULL : db_text(res, 0, HEALTH_REASON),
                     "openDeadLetters", (json_int_t)db_int(res, 0, HEALTH_OPEN), "waiting",
                     (json_int_t)(due + later), "waitingRelation", capped ? "gte" : "eq", "held",
                     (json_int_t)(held ? due : 0));
}

void webhook_health_get(struct call *c)
{
    struct uuid id;
    struct db_args a;
    PGresult *res;
    if (!route_id(c, 0, ID_WEBHOOK, &id))
        return;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_uuid(&a, &id);
    db_args_int(&a, HEALTH_QUEUE_ROWS);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_HEALTH], &a, &res)))
        return;
    if (PQntuples(res) == 0) {
        route_not_found(c);
    } else {
        json_t *health = health_of(res);
        if (!health || add_attempts(c, res, health))
            response_json(c->rs, 200, health);
        else
            json_decref(health);
    }
    PQclear(res);
}
