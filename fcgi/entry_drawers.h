/*
 * entry_drawers: which drawers hold a project's dead letters, so that statements over them name those.
 *
 * Without it each execution opens an index of all 92 drawers, of both tables: a page took 2.7 ms of the database, 0.5 with
 * six drawers named, and its first plan 84 ms and 12 (measured). They are named as ranges in the statement's text, where
 * the planner sees them; projects that live alike have the same text, and so share its plan.
 *
 * The rows that say so are written with the entries, by their triggers. They are read before the statement runs: an entry
 * that is committed in between, and the first of its project in a new drawer, is seen by the next call.
 */
#ifndef DLO_FCGI_ENTRY_DRAWERS_H
#define DLO_FCGI_ENTRY_DRAWERS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/db.h"

#define ENTRY_DRAWERS_RANGES 3 /* daily, weekly, held */

struct call;

struct entry_drawers {
    bool read; /* else nothing is known, and nothing is named */
    int n;
    struct {
        int first, last;
    } ranges[ENTRY_DRAWERS_RANGES];
};

/* Into the call, once. false: answered. */
bool entry_drawers_read(struct call *c);

/* Appends " AND (…)" about a column like "d.drawer", or nothing. */
void entry_drawers_add(const struct entry_drawers *d, const char *column, struct buf *sql);

/* Appends the statement with that in the place of each mark "drawers" in a comment, about o.drawer. */
void entry_drawers_put(const struct entry_drawers *d, const char *statement, struct buf *sql);

/* Runs a statement that has such marks. */
enum db_status entry_drawers_run(struct call *c, const struct sql_statement *statement,
                                 const struct db_args *args, PGresult **res);

#endif
