/* See window.h. Reads only. Must never loop without a bound: time is up after WINDOW_MS, whatever was found. */
#include "fcgi/window.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/limits.h"
#include "fcgi/splice.h"

#define WINDOW_MS 1500
#define WINDOW_FIRST_ROWS 500      /* most filters find a page near the top */
#define WINDOW_ROWS 4000           /* about 50 ms for deliveries */
#define PAGE_ROWS (LIMIT_PAGE + 1) /* what stands in the statements */
#define SINCE_MS 60000

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The id just below; false: there is none. */
static bool step_down(struct uuid *id)
{
    for (int i = 15; i >= 0; i--)
        if (id->b[i]-- != 0)
            return true;
    return false;
}

void window_init(struct window *w, struct list *l, const struct sql_statement *statement,
                 bool filtered)
{
    *w = (struct window){
        .list = l, .statement = statement, .rows = filtered ? WINDOW_FIRST_ROWS : PAGE_ROWS};
    w->data = json_array();
    memset(w->highest.b, 0xff, sizeof w->highest.b);
    if (l->cursor_len == sizeof w->highest)
        memcpy(&w->highest, l->cursor, sizeof w->highest);
}

void window_since(struct window *w, const struct uuid *id)
{
    int64_t ms = ids_time_ms(id) - SINCE_MS;
    for (int i = 5; i >= 0 && ms > 0; i--, ms >>= 8)
        w->lowest.b[i] = (unsigned char)(ms & 0xff);
}

void window_release(struct window *w)
{
    json_decref(w->data);
    w->data = NULL;
}

/* The caller's arguments with the range between the project and the filters. */
static void add_range(struct db_args *to, const struct db_args *from, const struct uuid *lowest,
                      const struct uuid *highest)
{
    db_args_init(to);
    for (int i = 0; i < from->n; i++) {
        if (i == 1) {
            db_args_uuid(to, lowest);
            db_args_uuid(to, highest);
        }
        to->values[to->n] = from->values[i];
        to->lengths[to->n] = from->lengths[i];
        to->formats[to->n++] = from->formats[i];
    }
}

static enum db_status run(struct call *c, const struct sql_statement *statement, int rows,
                          const struct db_args *args, PGresult **res)
{
    struct buf sql;
    char limit[16];
    if (rows == PAGE_ROWS)
        return db_run(c->desk->db, statement, args, res);
    snprintf(limit, sizeof limit, "%d", rows);
    buf_init(&sql, SPLICE_TEXT_MAX);
    splice_statement(&sql, statement->text, limit);
    enum db_status status = sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, args, res);
    buf_release(&sql);
    return status;
}

enum db_status window_find(struct call *c, const struct sql_statement *statement,
                           const struct uuid *id, int filters, PGresult **res)
{
    struct db_args args, ranged;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    for (int i = 0; i < filters; i++)
        db_args_text(&args, NULL);
    add_range(&ranged, &args, id, id);
    return run(c, statement, 1, &ranged, res);
}

static bool page_full(const struct window *w)
{
    return json_array_size(w->data) == (size_t)w->list->limit;
}

/* Puts what fits on the page. True: the page is full and some was left over. */
static bool take_rows(struct window *w, const PGresult *res, window_view *view)
{
    for (int row = 0; row < PQntuples(res) && !db_null(res, row, WINDOW_FIRST_OWN); row++) {
        if (page_full(w))
            return true;
        json_array_append_new(w->data, view(res, row));
        db_uuid(res, row, WINDOW_FIRST_OWN, &w->highest);
    }
    return false;
}

/* Takes one window. True: the page is done, and w->more says whether there is another. */
static bool take_window(struct window *w, const PGresult *res, window_view *view)
{
    struct uuid last;
    bool end = db_int(res, 0, WINDOW_SCANNED) < w->rows || db_bool(res, 0, WINDOW_BEYOND);
    bool left = take_rows(w, res, view);
    w->more = left || !end;
    if (page_full(w) || end)
        return true;
    if (db_uuid(res, 0, WINDOW_LAST, &last) == 0)
        w->highest = last;
    return false;
}

bool window_read(struct window *w, const struct db_args *args, window_view *view)
{
    struct call *c = w->list->call;
    int64_t until = now_ms() + WINDOW_MS;
    bool done = w->list->cursor_len != 0 && !step_down(&w->highest);
    while (!done) {
        PGresult *res;
        struct db_args ranged;
        add_range(&ranged, args, &w->lowest, &w->highest);
        if (!route_db_ok(c, run(c, w->statement, w->rows, &ranged, &res)))
            return false;
        done = take_window(w, res, view) || now_ms() >= until;
        PQclear(res);
        w->rows = w->rows * 4 < WINDOW_ROWS ? w->rows * 4 : WINDOW_ROWS;
        done = done || !step_down(&w->highest);
    }
    return true;
}

void window_answer(struct window *w)
{
    list_answer(w->list, json_incref(w->data), w->more ? &w->highest : NULL, sizeof w->highest);
}
