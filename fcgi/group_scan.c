/*
 * See groups.h. Owns grouping without counters: the newest entries that fit a filter, counted by a key. Must never read
 * more than LIMIT_GROUP_ROWS of them, and says how far back it came. Reads only.
 */
#include "fcgi/groups.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/states.h"
#include "fcgi/column.h"

#define N(a) (sizeof(a) / sizeof *(a))
#define SELECT_BYTES 131072

enum scan_column {
    COL_KEY,
    COL_COUNT,
    COL_HOUR,
    COL_DAY,
    COL_WEEK,
    COL_FIRST,
    COL_LAST,
    COL_ENTRY,
    COL_ERROR,
    COL_REASON,
    COL_STATUS,
    COL_WEBHOOK,
    COL_SCANNED,
    COL_REACHED,
    COL_NOW
};

static const struct group_key keys[] = {
    {"fingerprint", "encode(s.fingerprint, 'hex')"},
    {"webhookId", "s.webhook_id::text"},
    {"failureReason", "s.reason::text"},
    {"statusCode", "s.last_status::text"},
    {"eventType", "s.event_type"},
    {"channel", "s.channel"},
    {"customerExternalId", "s.customer_id"},
    {"classification", "CASE WHEN s.permanent THEN 'permanent' ELSE 'transient_exhausted' END"},
};

const struct group_key *group_scan_key(const char *name)
{
    for (size_t i = 0; i < N(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* The entries are in order, so the first of a group is its newest: where it stands says which it is. Looked up for the
 * groups that are shown; a join of the two would sort all that was counted. */
static enum db_status count(struct call *c, struct entry_filter *f, const struct group_key *key,
                            int groups, PGresult **res)
{
    struct buf sql;
    struct db_args args;
    buf_init(&sql, SELECT_BYTES);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    buf_printf(
        &sql,
        "WITH x AS MATERIALIZED (SELECT row_number() OVER () AS i, s.id, s.drawer, s.created_at,"
        " %s AS k FROM (",
        key->sql);
    entry_filter_select(f, NULL, LIMIT_GROUP_ROWS, &sql, &args);
    buf_printf(
        &sql,
        ") s), g AS (SELECT x.k, count(*) AS n,"
        " count(*) FILTER (WHERE x.created_at > (SELECT dlo_now() - interval '1 hour')) AS hour,"
        " count(*) FILTER (WHERE x.created_at > (SELECT dlo_now() - interval '24 hours')) AS day,"
        " count(*) FILTER (WHERE x.created_at > (SELECT dlo_now() - interval '7 days')) AS week,"
        " min(x.created_at) AS first_at, max(x.created_at) AS last_at, min(x.i) AS i"
        " FROM x GROUP BY 1 ORDER BY n DESC, k LIMIT %d),"
        " whole AS (SELECT count(*) AS n, min(created_at) AS reached, array_agg(id) AS ids,"
        " array_agg(drawer) AS drawers FROM x)"
        " SELECT g.k, g.n, g.hour, g.day, g.week, g.first_at, g.last_at, d.id, d.last_error,"
        " d.reason, d.last_status, w.public_id, whole.n, whole.reached, dlo_now()"
        " FROM whole LEFT JOIN g ON true"
        " LEFT JOIN LATERAL (SELECT o.* FROM %s o WHERE o.project_id = $1"
        " AND o.id = whole.ids[g.i] AND o.drawer = whole.drawers[g.i]",
        groups + 1, f->system ? "system_entries" : "dead_letters");
    entry_drawers_add(&f->drawers, "o.drawer", &sql);
    buf_add_str(&sql,
                " LIMIT 1) d ON true"
                " LEFT JOIN LATERAL (SELECT h.public_id FROM webhooks h WHERE h.project_id = $1"
                " AND h.id = d.webhook_id LIMIT 1) w ON true"
                " ORDER BY g.n DESC, g.k");
    enum db_status status = sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, &args, res);
    buf_release(&sql);
    return status;
}

/* The key as the filter of the same name takes it. */
static json_t *key_of(const PGresult *res, int row, const struct group_key *key)
{
    static const struct column webhook = {"", COL_WEBHOOK, COLUMN_ID, ID_WEBHOOK, NULL};
    static const struct column reason = {"", COL_REASON, COLUMN_NAME, 0, states_reason_name};
    static const struct column status = {"", COL_STATUS, COLUMN_INT, 0, NULL};
    static const struct column text = {"", COL_KEY, COLUMN_TEXT, 0, NULL};
    const struct column *shape = strcmp(key->name, "webhookId") == 0       ? &webhook
                                 : strcmp(key->name, "failureReason") == 0 ? &reason
                                 : strcmp(key->name, "statusCode") == 0    ? &status
                                                                           : &text;
    return column_value(res, row, shape);
}

static json_t *group_of(const PGresult *res, int row, const struct group_key *key)
{
    static const struct column members[] = {
        {"count", COL_COUNT, COLUMN_INT, 0, NULL},
        {"firstSeenAt", COL_FIRST, COLUMN_TIME, 0, NULL},
        {"lastSeenAt", COL_LAST, COLUMN_TIME, 0, NULL},
        {"sampleEntryId", COL_ENTRY, COLUMN_ID, ID_ENTRY, NULL},
        {"lastError", COL_ERROR, COLUMN_TEXT, 0, NULL},
    };
    static const struct column windows[] = {{"1h", COL_HOUR, COLUMN_INT, 0, NULL},
                                            {"24h", COL_DAY, COLUMN_INT, 0, NULL},
                                            {"7d", COL_WEEK, COLUMN_INT, 0, NULL}};
    json_t *group = column_object(res, row, members, N(members));
    json_object_set_new(group, "groupBy", json_string(key->name));
    json_object_set_new(group, "key", key_of(res, row, key));
    json_object_set_new(group, "counts", column_object(res, row, windows, N(windows)));
    return group;
}

void group_scan_answer(struct list *l, struct entry_filter *f, const struct group_key *key)
{
    static const struct column reached = {"", COL_REACHED, COLUMN_TIME, 0, NULL};
    PGresult *res;
    if (!route_db_ok(l->call, count(l->call, f, key, l->limit, &res)))
        return;
    json_t *data = json_array();
    for (int row = 0; row < PQntuples(res) && row < l->limit && !db_null(res, row, COL_COUNT);
         row++)
        json_array_append_new(data, group_of(res, row, key));
    list_extra(l, "searched", json_integer(db_int(res, 0, COL_SCANNED)));
    list_extra(l, "searchedTo", column_value(res, 0, &reached));
    list_extra(
        l, "complete",
        json_boolean(db_int(res, 0, COL_SCANNED) < LIMIT_GROUP_ROWS && PQntuples(res) <= l->limit));
    list_extra(l, "countedAt", column_instant(column_us(res, 0, COL_NOW)));
    list_answer(l, data, NULL, 0);
    PQclear(res);
}
