/*
 * window: lists whose filters have no index, newest first by id.
 *
 * The statement (delivery_rows.sql, event_rows.sql) reads a window of the newest rows below an id and shows those that
 * fit. window_read goes on window by window until the page is full, nothing older can fit, or the time is up: then the
 * page is short, and its cursor goes on where the scan ended. So a rare filter costs a bounded amount a request, and
 * still finds everything. Without filters one small window is the page.
 *
 *     struct window w;
 *     window_init(&w, &list, &fcgi_sql[...], filtered);
 *     if (window_read(&w, &args, view))     // args: $1 project, then two left for the range, then the filters
 *         window_answer(&w);
 *     window_release(&w);
 */
#ifndef DLO_FCGI_WINDOW_H
#define DLO_FCGI_WINDOW_H

#include <stdbool.h>

#include <jansson.h>

#include "common/db.h"
#include "fcgi/list.h"

/* The columns every such statement begins with, and the first of its own, which is the id. */
enum window_column { WINDOW_SCANNED, WINDOW_LAST, WINDOW_BEYOND, WINDOW_FIRST_OWN };

typedef json_t *window_view(const PGresult *res, int row);

struct window {
    struct list *list;
    const struct sql_statement *statement;
    int rows;            /* of one window */
    struct uuid lowest;  /* ids below it are not looked at */
    struct uuid highest; /* inclusive; moves down */
    json_t *data;
    bool more;
};

void window_init(struct window *w, struct list *l, const struct sql_statement *statement,
                 bool filtered);
/* Leaves out rows with ids made more than a minute before this one: what an event caused is younger than it. */
void window_since(struct window *w, const struct uuid *id);
/* `args` has the project and then the filters, as if $2 and $3 were not there. false: answered. */
bool window_read(struct window *w, const struct db_args *args, window_view *view);
void window_answer(struct window *w);
void window_release(struct window *w);

/* One row by its id, through the same statement: the newest at or below it, which the caller compares. */
enum db_status window_find(struct call *c, const struct sql_statement *statement,
                           const struct uuid *id, int filters, PGresult **res);

#endif
