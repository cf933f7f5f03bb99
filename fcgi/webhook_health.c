/*
 * How a webhook fares: GET /v1/webhooks/{id}/health. Its route stands with the others of webhooks, in webhooks.c.
 *
 * Reads only, and never more than a bounded part of the queue and of the last day's attempts.
 */
#include "fcgi/handlers.h"

#include "fcgi_sql.h"

#define HEALTH_QUEUE_ROWS 100000 /* past it "waiting" is a lower bound */
#define HEALTH_ATTEMPT_ROWS 5000 /* the newest ones */

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
    db_args_int(&a, db_int(hook, 0, 0));
    db_args_int(&a, db_int(hook, 0, 7));
    db_args_int(&a, db_int(hook, 0, 8));
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

/* There is no circuit breaker yet, so no circuit is ever open. */
static json_t *health_of(const PGresult *res)
{
    int64_t due = db_int(res, 0, 5), later = db_int(res, 0, 6);
    bool enabled = db_bool(res, 0, 1), paused = db_bool(res, 0, 3);
    bool capped = due >= HEALTH_QUEUE_ROWS || later >= HEALTH_QUEUE_ROWS;
    return json_pack("{s{sssn}sbsbss?sIsIsssI}", "circuit", "state", "closed", "nextProbeAt",
                     "paused", paused, "enabled", enabled, "disabledReason",
                     db_null(res, 0, 2) ? NULL : db_text(res, 0, 2), "openDeadLetters",
                     (json_int_t)db_int(res, 0, 4), "waiting", (json_int_t)(due + later),
                     "waitingRelation", capped ? "gte" : "eq", "held",
                     (json_int_t)(enabled && !paused ? 0 : due));
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
