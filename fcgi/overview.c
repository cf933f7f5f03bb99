/*
 * GET /v1/overview: the state of a project on one screen; with Dlo-Project: * of each project of the user.
 *
 * Must stay cheap at any size: every scan below it is bounded (overview.sql), because dashboards ask every few seconds.
 * Reads only.
 */
#include "fcgi/handlers.h"

#include <stdlib.h>

#include "common/states.h"
#include "fcgi/bulk_view.h"
#include "fcgi/column.h"
#include "fcgi/entry_filter.h"
#include "fcgi_sql.h"

#define N(a) (sizeof(a) / sizeof *(a))

const struct route overview_routes[] = {
    {METHOD_GET, "/v1/overview", overview_get, SCOPE_DLQ_READ, 0, ROUTE_EVERY_PROJECT, NULL},
    {.pattern = NULL},
};

/* overview.sql */
enum overview_column {
    COL_ENTERING,
    COL_USUAL,
    COL_LAST_ENTRY,
    COL_AFFECTED,
    COL_WEBHOOKS,
    COL_EXPIRING,
    COL_EXPIRING_FIRST,
    COL_DUE,
    COL_HELD,
    COL_LATER,
    COL_CAPPED,
    COL_OLDEST,
    COL_HEARTBEAT
};

static const struct column members[] = {
    {"enteringPerMinute", COL_ENTERING, COLUMN_INT, 0, NULL},
    {"lastEntryAt", COL_LAST_ENTRY, COLUMN_TIME, 0, NULL},
    {"webhooksAffected", COL_AFFECTED, COLUMN_INT, 0, NULL},
    {"webhooksTotal", COL_WEBHOOKS, COLUMN_INT, 0, NULL},
    {"oldestDueSeconds", COL_OLDEST, COLUMN_INT, 0, NULL},
    {"workerHeartbeatAgeSeconds", COL_HEARTBEAT, COLUMN_INT, 0, NULL},
};

static const struct column expiring[] = {
    {"count", COL_EXPIRING, COLUMN_INT, 0, NULL},
    {"firstAt", COL_EXPIRING_FIRST, COLUMN_TIME, 0, NULL},
};

static const struct column waiting[] = {
    {"due", COL_DUE, COLUMN_INT, 0, NULL},
    {"later", COL_LATER, COLUMN_INT, 0, NULL},
    {"held", COL_HELD, COLUMN_INT, 0, NULL},
};

/* overview_groups.sql */
static const struct column group[] = {
    {"fingerprint", 0, COLUMN_TEXT, 0, NULL},
    {"failureReason", 1, COLUMN_NAME, 0, states_reason_name},
    {"lastStatusCode", 2, COLUMN_CODE, 0, NULL},
    {"webhookId", 3, COLUMN_ID, ID_WEBHOOK, NULL},
    {"count", 4, COLUMN_INT, 0, NULL},
    {"lastError", 5, COLUMN_TEXT, 0, NULL},
    {"firstSeenAt", 6, COLUMN_TIME, 0, NULL},
    {"lastSeenAt", 7, COLUMN_TIME, 0, NULL},
};

static enum db_status run(struct call *c, enum fcgi_sql statement, PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    return entry_drawers_run(c, &fcgi_sql[statement], &args, res);
}

static enum db_status add_numbers(struct call *c, json_t *to)
{
    PGresult *res;
    enum db_status status = run(c, FCGI_SQL_OVERVIEW, &res);
    if (status != DB_OK)
        return status;
    if (PQntuples(res) == 1) {
        json_t *queue = column_object(res, 0, waiting, N(waiting));
        json_t *numbers = column_object(res, 0, members, N(members));
        json_object_set_new(queue, "relation",
                            json_string(db_bool(res, 0, COL_CAPPED) ? "gte" : "eq"));
        json_object_update(to, numbers);
        json_object_set_new(to, "usualPerMinute",
                            json_real(strtod(db_text(res, 0, COL_USUAL), NULL)));
        json_object_set_new(to, "expiring", column_object(res, 0, expiring, N(expiring)));
        json_object_set_new(to, "waiting", queue);
        json_decref(numbers);
    }
    PQclear(res);
    return DB_OK;
}

static enum db_status add_open(struct call *c, json_t *to)
{
    struct entry_filter f;
    struct entry_filter_total total;
    entry_filter_open(&f);
    enum db_status status = entry_filter_count(&f, c, &total);
    entry_filter_release(&f);
    if (status != DB_OK)
        return status;
    json_object_set_new(to, "open", json_integer(total.n));
    json_object_set_new(to, "countedAt", column_instant(total.counted_at_us));
    return DB_OK;
}

static enum db_status add_groups(struct call *c, json_t *to)
{
    PGresult *res;
    json_t *groups = json_array();
    json_object_set_new(to, "topGroups", groups);
    enum db_status status = run(c, FCGI_SQL_OVERVIEW_GROUPS, &res);
    if (status != DB_OK)
        return status;
    for (int row = 0; row < PQntuples(res); row++)
        json_array_append_new(groups, column_object(res, row, group, N(group)));
    PQclear(res);
    return DB_OK;
}

/* The call's project, into `to`. false: answered. */
static bool add_overview(struct call *c, json_t *to)
{
    json_t *operations = json_array();
    json_object_set_new(to, "operations", operations);
    json_object_set_new(to, "alertsFiring", json_integer(0)); /* alerts: later work */
    json_object_set_new(to, "silenced", json_integer(0));
    c->drawers = (struct entry_drawers){.read = false}; /* of the project before */
    return entry_drawers_read(c) && route_db_ok(c, add_numbers(c, to)) &&
           route_db_ok(c, add_open(c, to)) && route_db_ok(c, add_groups(c, to)) &&
           route_db_ok(c, bulk_view_active(c, operations));
}

static json_t *project_of(const PGresult *res, int row)
{
    static const struct column own[] = {{"projectId", 1, COLUMN_ID, ID_PROJECT, NULL},
                                        {"projectName", 2, COLUMN_TEXT, 0, NULL}};
    return column_object(res, row, own, N(own));
}

static void answer_every_project(struct call *c)
{
    PGresult *res;
    struct db_args args;
    bool ok = true;
    db_args_init(&args);
    db_args_uuid(&args, &c->who.id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_OVERVIEW_PROJECTS], &args, &res)))
        return;
    json_t *data = json_array();
    for (int row = 0; ok && row < PQntuples(res); row++) {
        json_t *one = project_of(res, row);
        c->who.project_id = (int)db_int(res, row, 0);
        ok = add_overview(c, one);
        json_array_append_new(data, one);
    }
    c->who.project_id = 0;
    PQclear(res);
    if (ok)
        response_json(c->rs, 200, json_pack("{s:O}", "data", data));
    json_decref(data);
}

void overview_get(struct call *c)
{
    if (c->who.every_project) {
        answer_every_project(c);
        return;
    }
    json_t *overview = json_object();
    if (add_overview(c, overview))
        response_json(c->rs, 200, json_incref(overview));
    json_decref(overview);
}
