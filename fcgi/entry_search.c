/*
 * See entry_search.h. Owns the bounds of one search: rows and time. Must never hold a transaction between two chunks, nor
 * more than a page of ids. Reads only; a crash loses one answer.
 */
#include "fcgi/entry_search.h"

#include <string.h>
#include <time.h>

#include "common/limits.h"
#include "fcgi/column.h"
#include "fcgi/desk_share.h"
#include "fcgi/entry_view.h"

#define CHUNK_FIRST 200
#define CHUNK_ROWS 2000
#define SELECT_BYTES 131072

enum hit_column { HIT_ID, HIT_DRAWER, HIT_CREATED, HIT_FOUND };

struct search {
    struct list *list;
    struct entry_filter *filter;
    struct list_key at; /* the last entry that was looked at */
    bool begun;         /* `at` is one */
    bool complete;      /* nothing older is left */
    long scanned;
    int chunk;
    int found;
    struct pg_array ids, drawers;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A chunk's entries, with whether each one's payload has the text. */
static enum db_status read_chunk(struct search *s, PGresult **res)
{
    struct buf sql;
    struct db_args args;
    struct call *c = s->list->call;
    buf_init(&sql, SELECT_BYTES);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    buf_add_str(&sql, "SELECT k.id, k.drawer, k.created_at, b.found FROM (");
    entry_filter_select(s->filter, s->begun ? &s->at : NULL, s->chunk, &sql, &args);
    db_args_binary(&args, s->filter->q, strlen(s->filter->q));
    buf_printf(
        &sql,
        ") k LEFT JOIN LATERAL (SELECT position($%d::bytea IN o.payload) > 0 AS found FROM %s o"
        " WHERE o.project_id = $1 AND o.id = k.id AND o.drawer = k.drawer",
        args.n, s->filter->system ? "events" : "dead_letter_bodies");
    entry_drawers_add(&s->filter->drawers, "o.drawer", &sql);
    buf_add_str(&sql, " LIMIT 1) b ON true ORDER BY k.created_at DESC, k.id DESC");
    enum db_status status = sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, &args, res);
    buf_release(&sql);
    return status;
}

/* Takes hits until the page is full. */
static void take_chunk(struct search *s, const PGresult *res)
{
    int n = PQntuples(res), row = 0;
    for (; row < n && s->found < s->list->limit; row++) {
        db_uuid(res, row, HIT_ID, &s->at.id);
        s->at.created_us = column_us(res, row, HIT_CREATED);
        s->begun = true;
        if (!db_bool(res, row, HIT_FOUND))
            continue;
        pg_array_uuid(&s->ids, &s->at.id);
        pg_array_int4(&s->drawers, (int32_t)db_int(res, row, HIT_DRAWER));
        s->found++;
    }
    s->scanned += row;
    s->complete = row == n && n < s->chunk;
}

static enum db_status run(struct search *s)
{
    int64_t until = now_ms() + LIMIT_SEARCH_MS;
    s->begun = list_key(s->list, &s->at);
    s->chunk = CHUNK_FIRST;
    while (!s->complete && s->found < s->list->limit && s->scanned < LIMIT_SEARCH_ROWS &&
           now_ms() < until) {
        PGresult *res;
        enum db_status status = read_chunk(s, &res);
        if (status != DB_OK)
            return status;
        take_chunk(s, res);
        PQclear(res);
        s->chunk = CHUNK_ROWS;
    }
    return DB_OK;
}

/* The rows that were found. NULL: answered. */
static PGresult *read_rows(struct search *s)
{
    static const char from[] =
        "SELECT f.* FROM unnest($2::uuid[], $3::integer[]) AS k(id, drawer) CROSS JOIN LATERAL"
        " (SELECT o.* FROM %s o WHERE o.project_id = $1 AND o.id = k.id AND o.drawer = k.drawer"
        "/*drawers*/ LIMIT 1) f";
    struct call *c = s->list->call;
    struct buf text, select;
    struct db_args args;
    PGresult *res = NULL;
    buf_init(&select, 1024);
    buf_init(&text, 1024);
    buf_printf(&text, from, s->filter->system ? "system_entries" : "dead_letters");
    entry_drawers_put(&s->filter->drawers, text.data, &select);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_binary(&args, s->ids.bytes.data, s->ids.bytes.len);
    db_args_binary(&args, s->drawers.bytes.data, s->drawers.bytes.len);
    bool ok = route_db_ok(c, entry_view_rows(c, select.data, &args, &res));
    buf_release(&text);
    buf_release(&select);
    return ok ? res : NULL;
}

static void answer(struct search *s, const PGresult *res)
{
    json_t *data = json_array();
    for (int row = 0; row < PQntuples(res); row++)
        json_array_append_new(data, entry_view_row(res, row));
    list_extra(s->list, "searchedTo", s->begun ? column_instant(s->at.created_us) : json_null());
    list_extra(s->list, "searched", json_integer(s->scanned));
    list_extra(s->list, "complete", json_boolean(s->complete));
    list_answer(s->list, data, s->complete ? NULL : &s->at, sizeof s->at);
}

static void search(struct search *s)
{
    struct call *c = s->list->call;
    if (!route_db_ok(c, run(s)))
        return;
    PGresult *res = read_rows(s);
    if (res)
        answer(s, res);
    PQclear(res);
}

void entry_search_answer(struct list *l, struct entry_filter *f, bool count)
{
    struct search s = {.list = l, .filter = f};
    if (count) {
        response_field_problem(l->call->rs, 400, "bad-filter", "?count",
                               "A search has no total: leave count out, or q.");
        return;
    }
    if (!desk_share_enter(l->call))
        return;
    pg_array_init(&s.ids, PG_UUID, SELECT_BYTES);
    pg_array_init(&s.drawers, PG_INT4, SELECT_BYTES);
    search(&s);
    pg_array_release(&s.ids);
    pg_array_release(&s.drawers);
    desk_share_leave();
}
