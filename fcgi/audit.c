/*
 * See audit.h. Owns inserts into audit_log and its list. Must never update or delete there. A crash before the act's
 * COMMIT takes the row along with the act.
 */
#include "fcgi/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/handlers.h"
#include "fcgi/list.h"
#include "fcgi_sql.h"

enum db_status audit_write(struct call *c, int project_id, const char *action, const char *object,
                           json_t *detail)
{
    struct db_args a;
    PGresult *r;
    char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;
    db_args_init(&a);
    if (project_id)
        db_args_int(&a, project_id);
    else
        db_args_text(&a, NULL);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, action);
    db_args_text(&a, object);
    db_args_text(&a, text ? text : "{}");
    db_args_text(&a, c->rq->id);
    enum db_status s = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_AUDIT_INSERT], &a, &r);
    PQclear(r);
    free(text);
    json_decref(detail);
    return s;
}

/* audit_list: id, at, actor, action, object, detail, request_id */
static json_t *row(const PGresult *r, int i)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:o?, s:s?}", "id", (json_int_t)db_int(r, i, 0),
                     "at", db_text(r, i, 1), "actor", db_text(r, i, 2), "action", db_text(r, i, 3),
                     "object", db_text(r, i, 4), "detail", json_loads(db_text(r, i, 5), 0, NULL),
                     "requestId", db_null(r, i, 6) ? NULL : db_text(r, i, 6));
}

static void answer(struct list *l, const PGresult *r)
{
    json_t *data = json_array();
    int n = PQntuples(r) > l->limit ? l->limit : PQntuples(r);
    for (int i = 0; i < n; i++)
        json_array_append_new(data, row(r, i));
    int64_t last = n ? db_int(r, n - 1, 0) : 0;
    list_answer(l, data, PQntuples(r) > n ? &last : NULL, sizeof last);
}

#define FILTER_VALUES 16
#define FILTER_BYTES 1024

/* All values of a filter with commas between them, as the statement takes them apart. False: answered. */
static bool join_values(struct list *l, const char *name, char out[FILTER_BYTES])
{
    const char *values[FILTER_VALUES];
    int n = list_values(l, name, values, FILTER_VALUES);
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < n && used < FILTER_BYTES; i++)
        used += (size_t)snprintf(out + used, FILTER_BYTES - used, "%s%s", i ? "," : "", values[i]);
    if (n >= 0 && used < FILTER_BYTES)
        return true;
    if (n >= 0)
        list_refuse(l, 400, "too-many-values", name, "%s: has too many values.", name);
    return false;
}

struct filters {
    char times[2][LIST_TIME_MAX];
    char values[3][FILTER_BYTES];
};

/* from, to, actor, action, object, in the order of the statement; false: answered. */
static bool add_filters(struct list *l, struct db_args *a, struct filters *f)
{
    static const char *const time_names[] = {"from", "to"};
    static const char *const names[] = {"actor", "action", "object"};
    for (int i = 0; i < 2; i++) {
        int given = list_time(l, time_names[i], f->times[i]);
        if (given < 0)
            return false;
        db_args_text(a, given ? f->times[i] : NULL);
    }
    for (int i = 0; i < 3; i++) {
        if (!join_values(l, names[i], f->values[i]))
            return false;
        db_args_text(a, f->values[i][0] ? f->values[i] : NULL);
    }
    return true;
}

void audit_list(struct call *c)
{
    struct list l;
    struct db_args a;
    struct filters filters;
    int64_t after = 0;
    PGresult *r;
    if (!list_begin(c, &l, "id-desc"))
        return;
    if (l.cursor_len == sizeof after)
        memcpy(&after, l.cursor, sizeof after);
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_int(&a, l.limit + 1);
    if (after)
        db_args_int(&a, after);
    else
        db_args_text(&a, NULL);
    bool ok = add_filters(&l, &a, &filters);
    db_args_bool(&a, principal_may(&c->who, SCOPE_DLQ_PAYLOAD));
    if (ok && route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_AUDIT_LIST], &a, &r))) {
        answer(&l, r);
        PQclear(r);
    }
    list_end(&l);
}

static const char *const list_query[] = {LIST_QUERY, "from",   "to", "actor",
                                         "action",   "object", NULL};

const struct route audit_routes[] = {
    {METHOD_GET, "/v1/audit", audit_list, SCOPE_AUDIT_READ, 0, 0, list_query},
    {0},
};
