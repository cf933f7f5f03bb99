/*
 * GET /v1/stats: how many dead letters came in, by webhook and reason, in steps of an hour or a day. From sums that the
 * maintainer keeps for 400 days, so it costs the same whatever the ledger holds; at most a second behind.
 *
 * Must never answer with more than LIMIT_STATS_ROWS buckets: a range that has more is refused. Reads only.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "common/pg_array.h"
#include "common/states.h"
#include "fcgi/column.h"
#include "fcgi/list.h"
#include "fcgi_sql.h"

#define N(a) (sizeof(a) / sizeof *(a))
#define HOUR_S 3600
#define DAY_US (24 * 3600 * (int64_t)1000000)
#define VALUES_BYTES 8192

static const char *const query[] = {"from",          "to", "step", "webhookId", "subscriptionId",
                                    "failureReason", NULL};

const struct route stats_buckets_routes[] = {
    {METHOD_GET, "/v1/stats", stats_buckets_get, SCOPE_DLQ_READ, 0, 0, query},
    {.pattern = NULL},
};

struct question {
    char from[LIST_TIME_MAX], to[LIST_TIME_MAX];
    int step_s;
    struct pg_array webhooks, reasons;
};

static bool bad_value(struct list *l, const char *name, const char *code)
{
    char pointer[32];
    snprintf(pointer, sizeof pointer, "?%s", name);
    response_field_problem(l->call->rs, 400, code, pointer, "%s has a value that is none.", name);
    return false;
}

static bool read_webhooks(struct list *l, const char *name, struct pg_array *to)
{
    const char *values[LIST_VALUES_MAX];
    struct uuid id;
    int n = list_values(l, name, values, LIST_VALUES_MAX);
    for (int i = 0; i < n; i++) {
        if (ids_parse(ID_WEBHOOK, values[i], strlen(values[i]), &id) != 0)
            return bad_value(l, name, "malformed-id");
        pg_array_uuid(to, &id);
    }
    return n >= 0;
}

static bool read_reasons(struct list *l, struct pg_array *to)
{
    const char *values[LIST_VALUES_MAX];
    int n = list_values(l, "failureReason", values, LIST_VALUES_MAX);
    for (int i = 0; i < n; i++) {
        int reason = states_reason_parse(values[i], strlen(values[i]));
        if (reason < 0)
            return bad_value(l, "failureReason", "bad-filter");
        pg_array_int2(to, (int16_t)reason);
    }
    return n >= 0;
}

static bool read_step(struct list *l, int *step_s)
{
    bool ok = true;
    const char *text = list_one(l, "step", &ok);
    bool day = text && strcmp(text, "day") == 0;
    *step_s = day ? 24 * HOUR_S : HOUR_S;
    if (!ok || !text || day || strcmp(text, "hour") == 0)
        return ok;
    response_field_problem(l->call->rs, 400, "bad-filter", "?step", "step is hour or day.");
    return false;
}

/* The last day unless asked otherwise. */
static bool read_range(struct list *l, struct question *q)
{
    int from = list_time(l, "from", q->from);
    int to = from < 0 ? -1 : list_time(l, "to", q->to);
    if (to < 0 || !list_now(l))
        return false;
    if (!from)
        instant_sql(l->now_us - DAY_US, q->from);
    if (!to)
        instant_sql(l->now_us, q->to);
    return true;
}

static bool question_read(struct list *l, struct question *q)
{
    return read_step(l, &q->step_s) && read_range(l, q) &&
           read_webhooks(l, "webhookId", &q->webhooks) &&
           read_webhooks(l, "subscriptionId", &q->webhooks) && read_reasons(l, &q->reasons);
}

static void answer_buckets(struct list *l, const struct question *q, const PGresult *res)
{
    static const struct column members[] = {
        {"at", 0, COLUMN_TIME, 0, NULL},
        {"webhookId", 1, COLUMN_ID, ID_WEBHOOK, NULL},
        {"failureReason", 2, COLUMN_NAME, 0, states_reason_name},
        {"count", 3, COLUMN_INT, 0, NULL}};
    if (PQntuples(res) > LIMIT_STATS_ROWS) {
        response_problem(l->call->rs, 422, "range-too-large",
                         "The range has too many buckets: ask for days, fewer webhooks or less.",
                         NULL, 0);
        return;
    }
    json_t *data = json_array();
    for (int row = 0; row < PQntuples(res); row++)
        json_array_append_new(data, column_object(res, row, members, N(members)));
    list_extra(l, "stepSeconds", json_integer(q->step_s));
    list_extra(l, "countedAt", column_instant(l->now_us));
    list_answer(l, data, NULL, 0);
}

static void answer(struct list *l, const struct question *q)
{
    struct db_args args;
    PGresult *res;
    struct call *c = l->call;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_text(&args, q->from);
    db_args_text(&args, q->to);
    db_args_int(&args, q->step_s);
    db_args_array(&args, &q->webhooks);
    db_args_array(&args, &q->reasons);
    db_args_int(&args, LIMIT_STATS_ROWS + 1);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_STATS_BUCKETS], &args, &res)))
        return;
    answer_buckets(l, q, res);
    PQclear(res);
}

void stats_buckets_get(struct call *c)
{
    struct list l;
    struct question q;
    if (!list_begin(c, &l, "at"))
        return;
    pg_array_init(&q.webhooks, PG_UUID, VALUES_BYTES);
    pg_array_init(&q.reasons, PG_INT2, VALUES_BYTES);
    if (question_read(&l, &q))
        answer(&l, &q);
    pg_array_release(&q.webhooks);
    pg_array_release(&q.reasons);
    list_end(&l);
}
