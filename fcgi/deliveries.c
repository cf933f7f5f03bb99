/*
 * Deliveries: the routes below /v1/deliveries. A delivery that is not over is its hot row, one that is over its terminal
 * attempt; there is no table of them (DESIGN.md "Data").
 *
 * Must never change a delivery but by cancelling it, which is one statement: a crash leaves it waiting or cancelled.
 */
#include "fcgi/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/pg_array.h"
#include "common/states.h"
#include "fcgi/attempt_view.h"
#include "fcgi/column.h"
#include "fcgi/fields.h"
#include "fcgi/origin.h"
#include "fcgi/redrive.h"
#include "fcgi/window.h"
#include "fcgi_sql.h"

#define CANCEL_ROUNDS 5
#define VALUES_BYTES 65536
#define N(a) (sizeof(a) / sizeof *(a))

/* Beside the columns of a window: delivery_rows.sql. */
enum delivery_column {
    COL_ID = WINDOW_FIRST_OWN,
    COL_DRAWER,
    COL_EVENT,
    COL_EXTERNAL,
    COL_WEBHOOK,
    COL_OUTCOME,
    COL_ATTEMPTS,
    COL_DUE_AT,
    COL_DUE,
    COL_MADE_ENTRY,
    COL_ENTRY,
    COL_CREATED,
    COL_FINISHED,
    COL_TYPE,
    COL_CHANNEL,
    COL_CUSTOMER,
    COL_HELD_BY,
    COL_HELD_UNTIL
};

/* The filters of that statement, $4 on, in its order. */
enum filter {
    FILTER_STATUS,
    FILTER_WEBHOOK,
    FILTER_TYPE,
    FILTER_CHANNEL,
    FILTER_EXTERNAL,
    FILTER_CUSTOMER,
    FILTER_EVENT,
    FILTER_ARRAYS,
    FILTER_HELD = FILTER_ARRAYS,
    FILTER_FROM,
    FILTER_TO,
    FILTERS
};

static const char *const list_query[] = {
    LIST_QUERY, "webhookId",  "subscriptionId",     "status", "eventType", "channel",
    "eventId",  "externalId", "customerExternalId", "held",   "from",      "to",
    NULL};

const struct route deliveries_routes[] = {
    {METHOD_GET, "/v1/deliveries", deliveries_list, SCOPE_EVENTS_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/deliveries/{}", deliveries_get, SCOPE_EVENTS_READ, 0, 0, NULL},
    {METHOD_POST, "/v1/deliveries/{}/replay", deliveries_replay, SCOPE_DLQ_REPLAY, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {METHOD_POST, "/v1/deliveries/{}/cancel", deliveries_cancel, SCOPE_DLQ_REPLAY, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {.pattern = NULL},
};

/* --- as JSON ---------------------------------------------------------------------------------------------------- */

/* A terminal attempt's outcome is the delivery's status; "retry" stands for a hot row. */
static const char *const statuses[] = {
    [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_RETRY] = "pending",
    [OUTCOME_DEAD] = "failed",
    [OUTCOME_CANCELLED] = "cancelled",
};

static const char *status_name(int outcome)
{
    return statuses[outcome & 3];
}

static const struct column members[] = {
    {"id", COL_ID, COLUMN_ID, ID_DELIVERY, NULL},
    {"eventId", COL_EVENT, COLUMN_ID, ID_EVENT, NULL},
    {"externalId", COL_EXTERNAL, COLUMN_TEXT, 0, NULL},
    {"webhookId", COL_WEBHOOK, COLUMN_ID, ID_WEBHOOK, NULL},
    {"eventType", COL_TYPE, COLUMN_TEXT, 0, NULL},
    {"channel", COL_CHANNEL, COLUMN_TEXT, 0, NULL},
    {"customerExternalId", COL_CUSTOMER, COLUMN_TEXT, 0, NULL},
    {"status", COL_OUTCOME, COLUMN_NAME, 0, status_name},
    {"effectiveStatus", COL_OUTCOME, COLUMN_NAME, 0,
     status_name}, /* until add_heads knows better */
    {"attemptCount", COL_ATTEMPTS, COLUMN_INT, 0, NULL},
    {"nextAttemptAt", COL_DUE_AT, COLUMN_TIME, 0, NULL},
    {"heldBecause", COL_HELD_BY, COLUMN_TEXT, 0, NULL},
    {"heldUntil", COL_HELD_UNTIL, COLUMN_TIME, 0, NULL},
    {"entryId", COL_MADE_ENTRY, COLUMN_ID, ID_ENTRY, NULL},
    {"replayOf", COL_ENTRY, COLUMN_ID, ID_ENTRY, NULL},
    {"createdAt", COL_CREATED, COLUMN_TIME, 0, NULL},
    {"finishedAt", COL_FINISHED, COLUMN_TIME, 0, NULL},
};

/* What is held and due has no next attempt yet. */
static json_t *delivery_view(const PGresult *res, int row)
{
    json_t *delivery = column_object(res, row, members, N(members));
    if (delivery && db_bool(res, row, COL_DUE) && !db_null(res, row, COL_HELD_BY))
        json_object_set_new(delivery, "nextAttemptAt", json_null());
    return delivery;
}

/* How a failed delivery ended in the end, by the state of the last entry of its chain. */
static const char *effective_status(int64_t head)
{
    return head == ENTRY_REPLAYING ? "pending" : head == ENTRY_RESOLVED ? "delivered" : "failed";
}

static void set_head(json_t *deliveries, const char *entry, const char *status)
{
    size_t i;
    json_t *delivery;
    json_array_foreach(deliveries, i, delivery)
    {
        const char *own = json_string_value(json_object_get(delivery, "entryId"));
        if (own && strcmp(own, entry) == 0)
            json_object_set_new(delivery, "effectiveStatus", json_string(status));
    }
}

static void add_entries(struct pg_array *entries, const json_t *deliveries)
{
    for (size_t i = 0; i < json_array_size(deliveries); i++) {
        struct uuid id;
        const char *text =
            json_string_value(json_object_get(json_array_get(deliveries, i), "entryId"));
        if (text && ids_parse(ID_ENTRY, text, strlen(text), &id) == 0)
            pg_array_uuid(entries, &id);
    }
}

/* Sets effectiveStatus of those that were dead-lettered. false: answered. */
static bool add_heads(struct call *c, json_t *deliveries)
{
    struct pg_array entries;
    struct db_args args;
    PGresult *res = NULL;
    pg_array_init(&entries, PG_UUID, VALUES_BYTES);
    add_entries(&entries, deliveries);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_binary(&args, entries.bytes.data, entries.bytes.len);
    bool ok = entries.count == 0 ||
              route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_DELIVERY_HEADS], &args, &res));
    for (int row = 0; res && row < PQntuples(res); row++) {
        struct uuid id;
        char shown[IDS_TEXT_MAX];
        db_uuid(res, row, 0, &id);
        ids_format(ID_ENTRY, &id, shown);
        set_head(deliveries, shown, effective_status(db_int(res, row, 1)));
    }
    PQclear(res);
    pg_array_release(&entries);
    return ok;
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

struct filters {
    struct pg_array arrays[FILTER_ARRAYS];
    char from[LIST_TIME_MAX], to[LIST_TIME_MAX];
    int held; /* -1: any */
    struct uuid oldest_event;
    bool any;
};

static const struct {
    const char *name, *alias;
    enum pg_type type;
    enum ids_kind kind; /* of PG_UUID */
} arrays[FILTER_ARRAYS] = {
    [FILTER_STATUS] = {"status", NULL, PG_INT2, 0},
    [FILTER_WEBHOOK] = {"webhookId", "subscriptionId", PG_UUID, ID_WEBHOOK},
    [FILTER_TYPE] = {"eventType", NULL, PG_TEXT, 0},
    [FILTER_CHANNEL] = {"channel", NULL, PG_TEXT, 0},
    [FILTER_EXTERNAL] = {"externalId", NULL, PG_TEXT, 0},
    [FILTER_CUSTOMER] = {"customerExternalId", NULL, PG_TEXT, 0},
    [FILTER_EVENT] = {"eventId", NULL, PG_UUID, ID_EVENT},
};

static bool refuse(struct call *c, const char *code, const char *pointer, const char *why)
{
    response_field_problem(c->rs, 400, code, pointer, "%s", why);
    return false;
}

static bool add_status(struct call *c, struct pg_array *to, const char *text)
{
    for (size_t i = 0; i < N(statuses); i++)
        if (strcmp(text, statuses[i]) == 0) {
            pg_array_int2(to, (int16_t)i);
            return true;
        }
    return refuse(c, "bad-filter", "?status",
                  "status takes pending, delivered, failed, cancelled.");
}

static bool add_id(struct call *c, struct filters *f, enum filter i, const char *text)
{
    struct uuid id;
    if (ids_parse(arrays[i].kind, text, strlen(text), &id) != 0)
        return refuse(c, "malformed-id", i == FILTER_EVENT ? "?eventId" : "?webhookId",
                      "That is not an id.");
    pg_array_uuid(&f->arrays[i], &id);
    if (i == FILTER_EVENT &&
        (f->arrays[i].count == 1 || memcmp(&id, &f->oldest_event, sizeof id) < 0))
        f->oldest_event = id;
    return true;
}

static bool add_value(struct call *c, struct filters *f, enum filter i, const char *text)
{
    if (i == FILTER_STATUS)
        return add_status(c, &f->arrays[i], text);
    if (arrays[i].type == PG_UUID)
        return add_id(c, f, i, text);
    pg_array_text(&f->arrays[i], text);
    return true;
}

static bool read_array(struct list *l, struct filters *f, enum filter i, const char *name)
{
    const char *values[LIST_VALUES_MAX];
    int n = name ? list_values(l, name, values, LIST_VALUES_MAX) : 0;
    for (int k = 0; k < n; k++)
        if (!add_value(l->call, f, i, values[k]))
            return false;
    f->any = f->any || n > 0;
    return n >= 0;
}

static bool filters_read(struct filters *f, struct list *l)
{
    for (int i = 0; i < FILTER_ARRAYS; i++)
        if (!read_array(l, f, (enum filter)i, arrays[i].name) ||
            !read_array(l, f, (enum filter)i, arrays[i].alias))
            return false;
    f->held = list_flag(l, "held");
    int from = f->held == -2 ? -1 : list_time(l, "from", f->from);
    int to = from < 0 ? -1 : list_time(l, "to", f->to);
    f->any = f->any || f->held >= 0 || from > 0 || to > 0;
    return to >= 0;
}

static void filters_bind(const struct filters *f, struct db_args *args)
{
    for (int i = 0; i < FILTER_ARRAYS; i++)
        if (f->arrays[i].count > 0)
            db_args_binary(args, f->arrays[i].bytes.data, f->arrays[i].bytes.len);
        else
            db_args_text(args, NULL);
    db_args_text(args, f->held < 0 ? NULL : f->held ? "t" : "f");
    db_args_text(args, *f->from ? f->from : NULL);
    db_args_text(args, *f->to ? f->to : NULL);
}

static void filters_init(struct filters *f)
{
    *f = (struct filters){.held = -1};
    for (int i = 0; i < FILTER_ARRAYS; i++)
        pg_array_init(&f->arrays[i], arrays[i].type, VALUES_BYTES);
}

static void filters_release(struct filters *f)
{
    for (int i = 0; i < FILTER_ARRAYS; i++)
        pg_array_release(&f->arrays[i]);
}

static void list_filtered(struct call *c, struct list *l, const struct filters *f)
{
    struct window w;
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    filters_bind(f, &args);
    window_init(&w, l, &fcgi_sql[FCGI_SQL_DELIVERY_ROWS], f->any);
    if (f->arrays[FILTER_EVENT].count > 0)
        window_since(&w, &f->oldest_event);
    if (window_read(&w, &args, delivery_view) && add_heads(c, w.data))
        window_answer(&w);
    window_release(&w);
}

void deliveries_list(struct call *c)
{
    struct list l;
    struct filters f;
    if (!list_begin(c, &l, "id-desc"))
        return;
    filters_init(&f);
    if (filters_read(&f, &l))
        list_filtered(c, &l, &f);
    filters_release(&f);
    list_end(&l);
}

/* --- one delivery ----------------------------------------------------------------------------------------------- */

/* *res is the row, or NULL if this project has no such delivery. */
static enum db_status find(struct call *c, const struct uuid *id, PGresult **res)
{
    struct uuid found;
    enum db_status status = window_find(c, &fcgi_sql[FCGI_SQL_DELIVERY_ROWS], id, FILTERS, res);
    if (status != DB_OK)
        return status;
    if (db_uuid(*res, 0, COL_ID, &found) != 0 || memcmp(&found, id, sizeof found) != 0) {
        PQclear(*res);
        *res = NULL;
    }
    return DB_OK;
}

/* The row named by the path, or NULL: answered. */
static PGresult *find_named(struct call *c, struct uuid *id)
{
    PGresult *res;
    if (!route_id(c, 0, ID_DELIVERY, id) || !route_db_ok(c, find(c, id, &res)))
        return NULL;
    if (!res)
        route_not_found(c);
    return res;
}

static bool add_attempts(struct call *c, const PGresult *delivery, const struct uuid *id,
                         json_t *to)
{
    struct db_args args;
    PGresult *res;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    db_args_int(&args, db_int(delivery, 0, COL_DRAWER));
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_DELIVERY_ATTEMPTS], &args, &res)))
        return false;
    attempt_view_add(to, res);
    PQclear(res);
    return true;
}

static bool add_origin(struct call *c, const PGresult *delivery, const struct uuid *id, json_t *to)
{
    struct uuid event;
    bool redrive = !db_null(delivery, 0, COL_ENTRY);
    db_uuid(delivery, 0, COL_EVENT, &event);
    return route_db_ok(c, origin_add(c, &event, redrive ? id : NULL, to));
}

static void answer_delivery(struct call *c, const PGresult *res, const struct uuid *id)
{
    json_t *one = json_array();
    json_array_append_new(one, delivery_view(res, 0));
    json_t *delivery = json_array_get(one, 0);
    if (delivery && add_heads(c, one) && add_attempts(c, res, id, delivery) &&
        add_origin(c, res, id, delivery))
        response_json(c->rs, 200, json_incref(delivery));
    json_decref(one);
}

void deliveries_get(struct call *c)
{
    struct uuid id;
    PGresult *res = find_named(c, &id);
    if (res)
        answer_delivery(c, res, &id);
    PQclear(res);
}

void deliveries_replay(struct call *c)
{
    redrive_answer(c);
}

/* --- cancelling ------------------------------------------------------------------------------------------------- */

static enum db_status cancel(struct call *c, const PGresult *delivery, const struct uuid *id,
                             bool *done)
{
    struct db_args args;
    PGresult *res;
    char shown[IDS_TEXT_MAX];
    ids_format(ID_DELIVERY, id, shown);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    db_args_int(&args, db_int(delivery, 0, COL_DRAWER));
    db_args_text(&args, c->who.actor);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_DELIVERY_CANCEL], &args, &res);
    *done = status == DB_OK && PQntuples(res) == 1;
    if (status == DB_OK)
        PQclear(res);
    return status;
}

/* A row that moves from `later` to `ready` under the statement is missed by it, hence the rounds. */
static bool cancel_pending(struct call *c, struct uuid *id)
{
    for (int round = 0; round < CANCEL_ROUNDS; round++) {
        bool done = false;
        PGresult *res = find_named(c, id);
        if (!res)
            return false;
        bool pending = db_int(res, 0, COL_OUTCOME) == OUTCOME_RETRY;
        bool ok = !pending || route_db_ok(c, cancel(c, res, id, &done));
        PQclear(res);
        if (done || !ok)
            return done;
        if (!pending)
            break;
    }
    response_problem(c->rs, 409, "not-pending", "The delivery is over.", NULL, 0);
    return false;
}

void deliveries_cancel(struct call *c)
{
    static const char *const known[] = {NULL};
    struct uuid id;
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) && cancel_pending(c, &id))
        deliveries_get(c);
    json_decref(body);
}
