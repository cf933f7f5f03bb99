/*
 * Blocking PostgreSQL, for responders, the maintainer and the command line. (A sender never blocks: worker/pipe.h.)
 *
 * A statement is a struct sql_statement; it is prepared on a connection the first time it is used there. Parameters
 * are gathered in a struct db_args; results come back in text format, read by column number.
 *
 * A lost connection is found by the statement that meets it: it fails with DB_LOST and the next one reconnects. Nothing
 * is sent twice by this file: whether a commit that was in flight happened is for the caller's idempotence to settle.
 */
#ifndef DLO_COMMON_DB_H
#define DLO_COMMON_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "common/ids.h"
#include "common/sql.h"

struct db;

enum db_status {
    DB_OK,
    DB_LOST, /* no connection, or it broke: the outcome of a write is unknown */
    DB_BUSY, /* lock or statement timeout, serialisation failure, deadlock, shutting down: try again */
    DB_ABORTED,  /* dlo_abort(): db_message() says why */
    DB_CONFLICT, /* unique or foreign key violation */
    DB_FAILED    /* anything else; logged where it happened */
};

/* `dsn` must outlive the handle. Does not connect. `settings`: SQL run once per connection, or NULL. */
struct db *db_new(const char *dsn, const char *application, const char *settings);
void db_free(struct db *db);

/* Connects if there is no connection. DB_OK or DB_LOST. */
enum db_status db_connect(struct db *db);
PGconn *db_conn(struct db *db);
/* Counts connections: what a session holds (locks) is gone when this number has changed. 0: not connected. */
unsigned db_generation(const struct db *db);
/* What the last statement that did not end DB_OK said (primary message), or "". */
const char *db_message(const struct db *db);

#define DB_ARGS_MAX 64
struct db_args {
    int n;
    const char *values[DB_ARGS_MAX];
    int lengths[DB_ARGS_MAX];
    int formats[DB_ARGS_MAX];
    char numbers[DB_ARGS_MAX][24];
};

void db_args_init(struct db_args *a);
void db_args_int(struct db_args *a, int64_t v);
void db_args_bool(struct db_args *a, bool v);
void db_args_text(struct db_args *a,
                  const char *s); /* NULL: SQL NULL. Not copied: must live until the call. */
void db_args_bytes(struct db_args *a, const void *p, size_t n); /* bytea; p NULL: SQL NULL */
void db_args_uuid(struct db_args *a, const struct uuid *u);     /* NULL: SQL NULL */
/* A value in the type's binary form, or text that is not NUL-terminated (format 0 needs a NUL, so 1 is used for both). */
void db_args_binary(struct db_args *a, const void *p, size_t n);
struct pg_array;
void db_args_array(struct db_args *a, const struct pg_array *array); /* NULL or empty: SQL NULL */

/* Runs one statement. On DB_OK *res is the result (PQclear is the caller's), also for statements without rows. */
enum db_status db_run(struct db *db, const struct sql_statement *s, const struct db_args *a,
                      PGresult **res);
/* The same without preparing: planned for these very parameters. For statements whose arrays a generic plan misjudges. */
enum db_status db_run_once(struct db *db, const struct sql_statement *s, const struct db_args *a,
                           PGresult **res);
/* The same for a text made at run time (filters): prepared under a name of its own, at most 128 a connection. */
enum db_status db_run_text(struct db *db, const char *text, const struct db_args *a,
                           PGresult **res);
/* A simple command with no result of interest: BEGIN, COMMIT, ROLLBACK, SET. */
enum db_status db_command(struct db *db, const char *sql);

/* Reading results. */
bool db_null(const PGresult *r, int row, int col);
const char *db_text(const PGresult *r, int row, int col); /* "" for NULL */
int64_t db_int(const PGresult *r, int row, int col);      /* 0 for NULL */
bool db_bool(const PGresult *r, int row, int col);
int db_uuid(const PGresult *r, int row, int col, struct uuid *out); /* -1 for NULL */
/* A bytea column's bytes, malloc'd (PQfreemem), or NULL for SQL NULL. */
unsigned char *db_bytes(const PGresult *r, int row, int col, size_t *n);

#endif
