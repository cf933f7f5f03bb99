/*
 * Events as they are read: GET /v1/events and /v1/events/{id}. Their routes stand with those that write, in events.c.
 *
 * Must never show payload bytes without the scope for them, nor what is past the project's retention. Reads only.
 */
#include "fcgi/handlers.h"

#include <string.h>

#include "common/pg_array.h"
#include "fcgi/attempt_view.h"
#include "fcgi/column.h"
#include "fcgi/origin.h"
#include "fcgi/window.h"
#include "fcgi_sql.h"

#define VALUES_BYTES 65536
#define N(a) (sizeof(a) / sizeof *(a))

/* Beside the columns of a window: event_rows.sql. */
enum event_column {
    COL_ID = WINDOW_FIRST_OWN,
    COL_DRAWER,
    COL_TYPE,
    COL_CHANNEL,
    COL_CUSTOMER,
    COL_EXTERNAL,
    COL_ROUTING_KEY,
    COL_METADATA,
    COL_OCCURRED,
    COL_CREATED,
    COL_FANOUT
};

static const char *status_name(int fanout)
{
    return fanout > 0 ? "accepted" : "unroutable";
}

static const struct column members[] = {
    {"id", COL_ID, COLUMN_ID, ID_EVENT, NULL},
    {"eventId", COL_ID, COLUMN_ID, ID_EVENT, NULL},
    {"eventType", COL_TYPE, COLUMN_TEXT, 0, NULL},
    {"channel", COL_CHANNEL, COLUMN_TEXT, 0, NULL},
    {"customerExternalId", COL_CUSTOMER, COLUMN_TEXT, 0, NULL},
    {"externalId", COL_EXTERNAL, COLUMN_TEXT, 0, NULL},
    {"routingKey", COL_ROUTING_KEY, COLUMN_TEXT, 0, NULL},
    {"metadata", COL_METADATA, COLUMN_JSON, 0, NULL},
    {"occurredAt", COL_OCCURRED, COLUMN_TIME, 0, NULL},
    {"createdAt", COL_CREATED, COLUMN_TIME, 0, NULL},
    {"deliveries", COL_FANOUT, COLUMN_INT, 0, NULL},
    {"status", COL_FANOUT, COLUMN_NAME, 0, status_name},
};

static json_t *event_view(const PGresult *res, int row)
{
    return column_object(res, row, members, N(members));
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

/* The filters of the statement, $4 on, in its order: four lists, then status, from, to. */
static const char *const lists[] = {"eventType", "channel", "externalId", "customerExternalId"};
#define FILTERS (N(lists) + 3)

struct filters {
    struct pg_array lists[N(lists)];
    const char *unroutable; /* "t" or NULL */
    char from[LIST_TIME_MAX], to[LIST_TIME_MAX];
    bool any;
};

static bool read_lists(struct filters *f, struct list *l)
{
    for (size_t i = 0; i < N(lists); i++) {
        const char *values[LIST_VALUES_MAX];
        int n = list_values(l, lists[i], values, LIST_VALUES_MAX);
        if (n < 0)
            return false;
        for (int k = 0; k < n; k++)
            pg_array_text(&f->lists[i], values[k]);
        f->any = f->any || n > 0;
    }
    return true;
}

static bool read_status(struct filters *f, struct list *l)
{
    bool ok = true;
    const char *status = list_one(l, "status", &ok);
    if (!status)
        return ok;
    f->any = true;
    f->unroutable = strcmp(status, "unroutable") == 0 ? "t" : "f";
    if (f->unroutable[0] == 't' || strcmp(status, "accepted") == 0)
        return true;
    response_field_problem(l->call->rs, 400, "bad-filter", "?status",
                           "status takes accepted or unroutable.");
    return false;
}

static bool filters_read(struct filters *f, struct list *l)
{
    if (!read_lists(f, l) || !read_status(f, l))
        return false;
    int from = list_time(l, "from", f->from);
    int to = from < 0 ? -1 : list_time(l, "to", f->to);
    f->any = f->any || from > 0 || to > 0;
    return to >= 0;
}

static void list_filtered(struct call *c, struct list *l, const struct filters *f)
{
    struct window w;
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    for (size_t i = 0; i < N(lists); i++)
        if (f->lists[i].count > 0)
            db_args_binary(&args, f->lists[i].bytes.data, f->lists[i].bytes.len);
        else
            db_args_text(&args, NULL);
    db_args_text(&args, f->unroutable);
    db_args_text(&args, *f->from ? f->from : NULL);
    db_args_text(&args, *f->to ? f->to : NULL);
    window_init(&w, l, &fcgi_sql[FCGI_SQL_EVENT_ROWS], f->any);
    if (window_read(&w, &args, event_view))
        window_answer(&w);
    window_release(&w);
}

void event_views_list(struct call *c)
{
    struct list l;
    struct filters f = {.any = false};
    if (!list_begin(c, &l, "id-desc"))
        return;
    for (size_t i = 0; i < N(lists); i++)
        pg_array_init(&f.lists[i], PG_TEXT, VALUES_BYTES);
    if (filters_read(&f, &l))
        list_filtered(c, &l, &f);
    for (size_t i = 0; i < N(lists); i++)
        pg_array_release(&f.lists[i]);
    list_end(&l);
}

/* --- one event -------------------------------------------------------------------------------------------------- */

/* Sets payload and encoding. false: answered. */
static bool add_payload(struct call *c, const PGresult *event, const struct uuid *id, json_t *to)
{
    PGresult *res;
    struct db_args args;
    size_t n;
    json_object_set_new(to, "payload", json_null());
    json_object_set_new(to, "encoding", json_null());
    if (!principal_may(&c->who, SCOPE_DLQ_PAYLOAD))
        return json_object_set_new(to, "payloadHidden", json_true()) == 0;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    db_args_int(&args, db_int(event, 0, COL_DRAWER));
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_PAYLOAD], &args, &res)))
        return false;
    unsigned char *payload = PQntuples(res) == 1 ? db_bytes(res, 0, 0, &n) : NULL;
    if (payload && n == 0) /* no JSON is that short: it went with its only dead letter */
        json_object_set_new(to, "payloadPurged", json_true());
    else if (payload)
        attempt_view_bytes(to, "payload", payload, n);
    PQfreemem(payload);
    PQclear(res);
    return true;
}

void event_views_get(struct call *c)
{
    struct uuid id, found;
    PGresult *res;
    if (!route_id(c, 0, ID_EVENT, &id) ||
        !route_db_ok(c, window_find(c, &fcgi_sql[FCGI_SQL_EVENT_ROWS], &id, FILTERS, &res)))
        return;
    if (db_uuid(res, 0, COL_ID, &found) != 0 || memcmp(&found, &id, sizeof id) != 0) {
        route_not_found(c);
    } else {
        json_t *event = event_view(res, 0);
        if (event && add_payload(c, res, &id, event) &&
            route_db_ok(c, origin_add_edit(c, &id, event)))
            response_json(c->rs, 200, json_incref(event));
        json_decref(event);
    }
    PQclear(res);
}
