/*
 * pinned: statements that look into all drawers, run by one plan for the life of the connection.
 *
 * Planning over 92 drawers takes 5 to 30 ms, running the plan 1 to 3 [measured on 15.20, 200,000
 * entries in 31 drawers]. Left to itself the server plans such a statement anew each time, because
 * it cannot price a parameter's value; so it is told not to. A statement that names its drawer is
 * the opposite case: planned each time, with all other drawers left out. It goes through db_run.
 */
#ifndef DLO_FCGI_PINNED_H
#define DLO_FCGI_PINNED_H

#include "common/db.h"

/* As db_run and db_run_text. Costs two short commands more. */
enum db_status pinned_run(struct db *db, const struct sql_statement *s, const struct db_args *args,
                          PGresult **res);
enum db_status pinned_run_text(struct db *db, const char *text, const struct db_args *args,
                               PGresult **res);

#endif
