/*
 * See export_pages.h. Owns one chunk at a time: two results. Must never keep a transaction between chunks, nor read more
 * payload than LIMIT_EXPORT_BYTES and one more. Reads only.
 */
#include "fcgi/export_pages.h"

#include <string.h>

#include "common/limits.h"
#include "fcgi/column.h"
#include "fcgi/entry_view.h"
#include "fcgi/splice.h"
#include "fcgi_sql.h"

#define SELECT_BYTES 131072
#define IDS_BYTES 65536
#define N(a) (sizeof(a) / sizeof *(a))

enum body_column {
    BODY_TAKEN,
    BODY_FOUND,
    BODY_ROUTING_KEY,
    BODY_METADATA,
    BODY_BYTES,
    BODY_SHA256,
    BODY_PAYLOAD
};

void export_pages_begin(struct export_pages *p, struct call *c, struct entry_filter *f,
                        const struct list_key *after, int most)
{
    *p = (struct export_pages){.call = c, .filter = f, .most = most, .more = true};
    p->payloads = principal_may(&c->who, SCOPE_DLQ_PAYLOAD);
    p->begun = after != NULL;
    if (after)
        p->after = *after;
}

static void forget(struct export_pages *p)
{
    PQclear(p->entries);
    PQclear(p->bodies);
    p->entries = p->bodies = NULL;
    p->rows = 0;
}

void export_pages_end(struct export_pages *p)
{
    forget(p);
}

static enum db_status read_entries(struct export_pages *p)
{
    struct buf select;
    struct db_args args;
    buf_init(&select, SELECT_BYTES);
    db_args_init(&args);
    db_args_int(&args, p->call->who.project_id);
    entry_filter_select(p->filter, p->begun ? &p->after : NULL, p->most, &select, &args);
    enum db_status status =
        select.failed ? DB_FAILED : entry_view_rows(p->call, select.data, &args, &p->entries);
    buf_release(&select);
    return status;
}

static enum db_status run_bodies(struct export_pages *p, const struct pg_array *ids,
                                 const struct pg_array *drawers)
{
    struct buf sql;
    struct db_args args;
    const char *q = p->filter->q;
    db_args_init(&args);
    db_args_int(&args, p->call->who.project_id);
    db_args_binary(&args, ids->bytes.data, ids->bytes.len);
    db_args_binary(&args, drawers->bytes.data, drawers->bytes.len);
    db_args_bool(&args, p->payloads);
    db_args_int(&args, LIMIT_EXPORT_BYTES);
    db_args_bytes(&args, q, q ? strlen(q) : 0);
    buf_init(&sql, SPLICE_TEXT_MAX);
    if (p->filter->system)
        splice_statement(&sql, fcgi_sql[FCGI_SQL_EXPORT_BODIES].text, "events");
    else
        entry_drawers_put(&p->filter->drawers, fcgi_sql[FCGI_SQL_EXPORT_BODIES].text, &sql);
    enum db_status status =
        sql.failed ? DB_FAILED : db_run_text(p->call->desk->db, sql.data, &args, &p->bodies);
    buf_release(&sql);
    return status;
}

static enum db_status read_bodies(struct export_pages *p)
{
    struct pg_array ids, drawers;
    pg_array_init(&ids, PG_UUID, IDS_BYTES);
    pg_array_init(&drawers, PG_INT4, IDS_BYTES);
    for (int row = 0; row < PQntuples(p->entries); row++) {
        struct uuid id;
        db_uuid(p->entries, row, ENTRY_COL_ID, &id);
        pg_array_uuid(&ids, &id);
        pg_array_int4(&drawers, (int32_t)db_int(p->entries, row, ENTRY_COL_DRAWER));
    }
    enum db_status status = run_bodies(p, &ids, &drawers);
    pg_array_release(&ids);
    pg_array_release(&drawers);
    return status;
}

enum db_status export_pages_next(struct export_pages *p)
{
    forget(p);
    if (!p->more)
        return DB_OK;
    enum db_status status = read_entries(p);
    if (status == DB_OK)
        status = read_bodies(p);
    if (status != DB_OK)
        return status;
    int n = PQntuples(p->entries);
    while (p->rows < n && db_bool(p->bodies, p->rows, BODY_TAKEN))
        p->rows++;
    p->more = n == p->most || p->rows < n;
    if (p->rows) {
        entry_view_key(p->entries, p->rows - 1, &p->after);
        p->begun = true;
    }
    return DB_OK;
}

bool export_pages_wanted(const struct export_pages *p, int row)
{
    return !p->filter->q || db_bool(p->bodies, row, BODY_FOUND);
}

json_t *export_pages_entry(const struct export_pages *p, int row)
{
    static const struct column own[] = {{"metadata", BODY_METADATA, COLUMN_JSON, 0, NULL},
                                        {"routingKey", BODY_ROUTING_KEY, COLUMN_TEXT, 0, NULL},
                                        {"bytes", BODY_BYTES, COLUMN_INT, 0, NULL},
                                        {"sha256", BODY_SHA256, COLUMN_TEXT, 0, NULL},
                                        {"payload", BODY_PAYLOAD, COLUMN_TEXT, 0, NULL}};
    static const struct column channel = {"channel", ENTRY_COL_CHANNEL, COLUMN_TEXT, 0, NULL};
    json_t *entry = entry_view_row(p->entries, row);
    json_t *message = column_object(p->bodies, row, own, N(own));
    json_object_set_new(message, "channel", column_value(p->entries, row, &channel));
    json_object_set_new(message, "encoding", json_string("base64"));
    if (!p->payloads)
        json_object_set_new(message, "payloadHidden", json_true());
    json_object_set_new(entry, "originalMessage", message);
    return entry;
}
