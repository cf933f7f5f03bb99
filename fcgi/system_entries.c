/*
 * See system_entries.h. Owns routing an event again. Must never queue a delivery without taking the event out of the
 * scope: both are one statement, so a crash leaves both or neither.
 */
#include "fcgi/system_entries.h"

#include <string.h>

#include "common/event_type.h"
#include "common/limits.h"
#include "common/pg_array.h"
#include "fcgi/column.h"
#include "fcgi/entry_view.h"
#include "fcgi/handlers.h"
#include "fcgi/list.h"
#include "fcgi_sql.h"

#define BASE_BYTES 14
#define N(a) (sizeof(a) / sizeof *(a))

static const char *const list_query[] = {LIST_QUERY, NULL};

const struct route system_entries_routes[] = {
    {METHOD_GET, "/v1/config-warnings", system_entries_warnings, SCOPE_DLQ_READ, 0, 0, list_query},
    {.pattern = NULL},
};

/* --- routing one again ---------------------------------------------------------------------------------------------- */

static enum db_status run(struct call *c, const PGresult *entry, const struct uuid *id,
                          PGresult **res)
{
    struct uuid base;
    struct db_args args;
    struct pg_array patterns;
    struct event_type_list list;
    char shown[IDS_TEXT_MAX];
    ids_event_delivery_base(&base);
    ids_format(ID_ENTRY, id, shown);
    event_type_patterns(db_text(entry, 0, ENTRY_COL_TYPE), &list);
    pg_array_init(&patterns, PG_TEXT, EVENT_TYPE_PATTERNS_MAX * (LIMIT_NAME_BYTES + 8));
    for (size_t i = 0; i < list.count; i++)
        pg_array_text(&patterns, list.item[i]);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    db_args_int(&args, db_int(entry, 0, ENTRY_COL_DRAWER));
    db_args_binary(&args, patterns.bytes.data, patterns.bytes.len);
    db_args_bytes(&args, base.b, BASE_BYTES);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_SYSTEM_ROUTE], &args, res);
    pg_array_release(&patterns);
    return status;
}

static void answer_routed(struct call *c, const struct uuid *id, int64_t deliveries)
{
    char entry[IDS_TEXT_MAX], event[IDS_TEXT_MAX];
    ids_format(ID_ENTRY, id, entry);
    ids_format(ID_EVENT, id, event);
    route_wake(c);
    response_json(c->rs, 202,
                  json_pack("{s:s, s:s, s:I, s:s}", "eventId", event, "status", "accepted",
                            "deliveries", (json_int_t)deliveries, "replayOf", entry));
}

void system_entries_route(struct call *c, const PGresult *entry)
{
    struct uuid id;
    PGresult *res;
    db_uuid(entry, 0, ENTRY_COL_ID, &id);
    if (!route_db_ok(c, run(c, entry, &id, &res)))
        return;
    int64_t deliveries = db_int(res, 0, 1);
    if (!db_bool(res, 0, 0))
        route_not_found(c); /* somebody was faster */
    else if (deliveries == 0)
        response_problem(c->rs, 409, "unroutable", "Still no webhook takes this event.", NULL, 0);
    else
        answer_routed(c, &id, deliveries);
    PQclear(res);
}

/* --- warnings ------------------------------------------------------------------------------------------------------- */

enum warning_column { COL_TYPE, COL_CHANNEL, COL_COUNT, COL_OPEN, COL_FIRST, COL_LAST, COL_OTHER };

static json_t *warning_of(const PGresult *res, int row)
{
    static const struct column members[] = {
        {"eventType", COL_TYPE, COLUMN_TEXT, 0, NULL},
        {"channel", COL_CHANNEL, COLUMN_TEXT, 0, NULL},
        {"count", COL_COUNT, COLUMN_INT, 0, NULL},
        {"firstSeenAt", COL_FIRST, COLUMN_TIME, 0, NULL},
        {"lastSeenAt", COL_LAST, COLUMN_TIME, 0, NULL},
        {"other", COL_OTHER, COLUMN_BOOL, 0, NULL},
    };
    json_t *warning = column_object(res, row, members, N(members));
    json_object_set_new(warning, "code", json_string("unroutable"));
    json_object_set_new(warning, "detail", json_string("No webhook takes these events."));
    json_object_set_new(warning, "unroutable", json_integer(db_int(res, row, COL_OPEN)));
    return warning;
}

/* At most a thousand: they are paged by how many were shown. */
void system_entries_warnings(struct call *c)
{
    struct list l;
    struct db_args args;
    int32_t offset = 0;
    PGresult *res;
    if (!list_begin(c, &l, "seen-desc"))
        return;
    if (l.cursor_len == sizeof offset)
        memcpy(&offset, l.cursor, sizeof offset);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_int(&args, offset);
    db_args_int(&args, l.limit + 1);
    if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_CONFIG_WARNINGS], &args, &res))) {
        int n = PQntuples(res) > l.limit ? l.limit : PQntuples(res);
        json_t *data = json_array();
        for (int row = 0; row < n; row++)
            json_array_append_new(data, warning_of(res, row));
        offset += n;
        list_answer(&l, data, PQntuples(res) > n ? &offset : NULL, sizeof offset);
        PQclear(res);
    }
    list_end(&l);
}
