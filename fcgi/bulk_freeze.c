/*
 * See bulk_freeze.h. Owns the statement that freezes a set. Must never keep a transaction open around it: a million rows
 * are chosen and written by one statement, and a crash leaves either the whole operation or none.
 */
#include "fcgi/bulk_freeze.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "fcgi/bulk_view.h"
#include "fcgi/splice.h"
#include "fcgi_sql.h"

#define OF_FAILED                                                                                  \
    "SELECT i.made_id AS id, i.made_drawer AS drawer, coalesce(l.webhook_id, o.webhook_id) AS "    \
    "webhook_id FROM bulk_operations o JOIN bulk_items i ON i.operation = o.number"                \
    " LEFT JOIN LATERAL (SELECT x.webhook_id FROM bulk_lanes x WHERE x.operation = o.number"       \
    " AND x.first <= i.item ORDER BY x.first DESC LIMIT 1) l ON true"                              \
    " WHERE o.project_id = $1 AND o.id = $%d"                                                      \
    " AND i.outcome >= 2 AND i.outcome = 2 AND i.made_id IS NOT NULL ORDER BY i.item"

/* bulk_plan.sql */
enum plan_column { PLAN_MATCHED, PLAN_TAKEN, PLAN_WEBHOOKS, PLAN_CAUSES, PLAN_EXPIRING };

/* How many rows decide whether there are too many, or not the expected number. */
static int64_t reach(const struct bulk_input *in)
{
    return (in->expect_total > in->max_items ? in->expect_total : in->max_items) + 1;
}

static void add_rate(struct db_args *args, const struct bulk_input *in, char text[32])
{
    snprintf(text, 32, "%g", in->pace.rate);
    db_args_text(args, in->pace.rate > 0 ? text : NULL);
}

/* Binds the set, puts its select into the statement and runs that. */
static enum db_status run(struct call *c, const struct bulk_input *in, const struct uuid *failed_of,
                          enum fcgi_sql which, struct db_args *args, PGresult **res)
{
    struct buf select, sql;
    *res = NULL;
    buf_init(&select, SPLICE_TEXT_MAX);
    buf_init(&sql, 2 * SPLICE_TEXT_MAX);
    if (failed_of) {
        db_args_uuid(args, failed_of);
        buf_printf(&select, OF_FAILED, args->n);
    } else if (in->by_ids) {
        db_args_binary(args, in->ids.bytes.data, in->ids.bytes.len);
    } else {
        entry_filter_set(&in->filter, reach(in), &select, args);
    }
    if (select.len)
        splice_statement(&sql, fcgi_sql[which].text, select.data);
    else
        buf_add_str(&sql, fcgi_sql[which].text);
    enum db_status status =
        select.failed || sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, args, res);
    buf_release(&select);
    buf_release(&sql);
    return status;
}

static void answer_abort(struct call *c, const char *why)
{
    if (strncmp(why, "count-changed", strlen("count-changed")) == 0)
        response_field_problem(c->rs, 409, "count-changed", "/expectTotal",
                               "It is not the expected number any more: %s match now.",
                               why + strlen("count-changed "));
    else if (strcmp(why, "search-too-wide") == 0)
        response_field_problem(c->rs, 422, "search-too-wide", "/filters/q",
                               "More than %d payloads would have to be searched. Narrow the "
                               "window, or add a filter.",
                               LIMIT_SEARCH_SET);
    else if (strcmp(why, "start-too-far") == 0)
        response_field_problem(c->rs, 422, "out-of-range", "/startAt",
                               "startAt may be 30 days ahead at most.");
    else
        response_too_many(c->rs, "too-many-operations",
                          "The project has 100 operations that have not ended.", 60);
}

/* --- the plan --------------------------------------------------------------------------------------------------- */

/* {number: n} with the numbers named, but for 0, which is none. */
static json_t *causes_of(const char *text, int64_t *eligible)
{
    const char *number;
    json_t *n, *named = json_object(), *causes = json_loads(text, 0, NULL);
    json_object_foreach(causes, number, n)
    {
        const char *name = states_item_cause_name((int)strtol(number, NULL, 10));
        if (name)
            json_object_set(named, name, n);
        else
            *eligible = json_integer_value(n);
    }
    json_decref(causes);
    return named;
}

static json_t *plan_of(const struct bulk_input *in, const PGresult *res)
{
    int64_t eligible = 0, matched = db_int(res, 0, PLAN_MATCHED),
            taken = db_int(res, 0, PLAN_TAKEN);
    json_t *causes = causes_of(db_text(res, 0, PLAN_CAUSES), &eligible);
    double seconds = in->pace.rate > 0 ? ceil((double)eligible / in->pace.rate) : 0;
    json_t *plan =
        json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:b}", "matched", (json_int_t)matched, "eligible",
                  (json_int_t)eligible, "ineligible", causes, "webhooks",
                  (json_int_t)db_int(res, 0, PLAN_WEBHOOKS), "estimatedSeconds",
                  (json_int_t)seconds, "expiringBeforeTurn",
                  (json_int_t)db_int(res, 0, PLAN_EXPIRING), "truncated", matched > taken);
    if (plan && in->by_ids)
        json_object_set_new(plan, "notFound",
                            json_integer(in->given_ids > matched ? in->given_ids - matched : 0));
    return plan;
}

void bulk_freeze_plan(struct call *c, struct bulk_input *in)
{
    struct db_args args;
    PGresult *res;
    char rate[32];
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_int(&args, in->kind);
    db_args_int(&args, in->max_items);
    db_args_int(&args, reach(in));
    add_rate(&args, in, rate);
    db_args_text(&args, *in->pace.start ? in->pace.start : NULL);
    enum db_status status = run(c, in, NULL, FCGI_SQL_BULK_PLAN, &args, &res);
    if (status == DB_ABORTED)
        answer_abort(c, db_message(c->desk->db));
    else if (route_db_ok(c, status))
        response_json(c->rs, 200, plan_of(in, res));
    PQclear(res);
}

/* --- the operation ---------------------------------------------------------------------------------------------- */

static void answer_operation(struct call *c, const PGresult *made)
{
    struct uuid id;
    PGresult *res;
    char shown[IDS_TEXT_MAX], path[80];
    db_uuid(made, 0, 0, &id);
    struct bulk_which which = {.most = 1, .id = &id};
    if (!route_db_ok(c, bulk_view_rows(c, &which, &res)))
        return;
    if (PQntuples(res) == 1) {
        ids_format(ID_OPERATION, &id, shown);
        snprintf(path, sizeof path, "/v1/bulk-operations/%s", shown);
        response_location(c->rs, c->desk->config->public_url, path);
        response_header(c->rs, "Retry-After", "1");
        response_json(c->rs, 202, bulk_view_row(res, 0));
    } else {
        route_db_ok(c, DB_FAILED);
    }
    PQclear(res);
}

void bulk_freeze_make(struct call *c, struct bulk_input *in, const struct uuid *failed_of,
                      const char *key)
{
    struct uuid id;
    struct db_args args;
    PGresult *res;
    char rate[32];
    char *query = json_dumps(in->query, JSON_COMPACT);
    ids_new(&id);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &id);
    db_args_int(&args, in->kind);
    db_args_text(&args, in->pace.name);
    db_args_text(&args, in->pace.reason);
    db_args_text(&args, query);
    db_args_uuid(&args, failed_of);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, key);
    db_args_bool(&args, in->pace.anew);
    add_rate(&args, in, rate);
    db_args_int(&args, in->max_items);
    if (in->expect_total >= 0)
        db_args_int(&args, in->expect_total);
    else
        db_args_text(&args, NULL);
    db_args_int(&args, reach(in));
    db_args_text(&args, *in->pace.start ? in->pace.start : NULL);
    db_args_bool(&args, in->pace.probe);
    db_args_text(&args, c->rq->id);
    db_args_int(&args, LIMIT_BULK_ACTIVE);
    db_args_bool(&args, in->pace.original);
    enum db_status status = run(c, in, failed_of, FCGI_SQL_BULK_FREEZE, &args, &res);
    if (status == DB_ABORTED)
        answer_abort(c, db_message(c->desk->db));
    else if (route_db_ok(c, status))
        answer_operation(c, res);
    PQclear(res);
    free(query);
}
