/*
 * See db.h. Owns the connection and the list of what was prepared on it. Must never repeat a statement by itself. A
 * crash leaves an open transaction at most, which the server rolls back.
 */
#include "common/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/pg_array.h"

#define PREPARED_MAX 512
#define TEXTS_MAX 128

struct db {
    const char *dsn;
    const char *application;
    const char *settings;
    PGconn *conn;
    const struct sql_statement *prepared[PREPARED_MAX]; /* open addressing by address */
    char *texts[TEXTS_MAX];                             /* prepared as "text_N" */
    unsigned next_text;
    unsigned generation;
    char message[512];
};

struct db *db_new(const char *dsn, const char *application, const char *settings)
{
    struct db *db = calloc(1, sizeof *db);
    if (db) {
        db->dsn = dsn;
        db->application = application;
        db->settings = settings;
    }
    return db;
}

static void forget_connection(struct db *db)
{
    if (db->conn)
        PQfinish(db->conn);
    db->conn = NULL;
    memset(db->prepared, 0, sizeof db->prepared);
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        free(db->texts[i]);
        db->texts[i] = NULL;
    }
    db->next_text = 0;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    forget_connection(db);
    free(db);
}

PGconn *db_conn(struct db *db)
{
    return db->conn;
}

unsigned db_generation(const struct db *db)
{
    return db->conn ? db->generation : 0;
}

const char *db_message(const struct db *db)
{
    return db->message;
}

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

enum db_status db_connect(struct db *db)
{
    if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
        return DB_OK;
    forget_connection(db);
    const char *keys[] = {"dbname",          "application_name", "connect_timeout",
                          "keepalives_idle", "options",          NULL};
    const char *values[] = {
        db->dsn,
        db->application,
        "5",
        "30",
        "-c statement_timeout=30000 -c lock_timeout=5000 -c jit=off "
        "-c idle_in_transaction_session_timeout=30000 -c timezone=UTC -c datestyle=ISO",
        NULL};
    db->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        snprintf(db->message, sizeof db->message, "%s", PQerrorMessage(db->conn));
        log_warn("cannot connect to the database: %s", db->message);
        forget_connection(db);
        return DB_LOST;
    }
    db->generation++;
    PQsetNoticeProcessor(db->conn, ignore_notice, NULL);
    return db->settings ? db_command(db, db->settings) : DB_OK;
}

static const struct {
    const char *sqlstate; /* a prefix */
    enum db_status status;
} states[] = {
    {"DL001", DB_ABORTED}, {"23503", DB_CONFLICT}, {"23505", DB_CONFLICT},
    {"40", DB_BUSY},       {"55P03", DB_BUSY},     {"57014", DB_BUSY},
    {"57P", DB_LOST},      {"08", DB_LOST},        {"53300", DB_LOST},
};

static enum db_status failure(struct db *db, const char *what, PGresult *res)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    snprintf(db->message, sizeof db->message, "%s", primary ? primary : PQerrorMessage(db->conn));
    enum db_status status = PQstatus(db->conn) == CONNECTION_BAD ? DB_LOST : DB_FAILED;
    for (size_t i = 0; state && status == DB_FAILED && i < sizeof states / sizeof *states; i++)
        if (strncmp(state, states[i].sqlstate, strlen(states[i].sqlstate)) == 0)
            status = states[i].status;
    if (status == DB_FAILED || status == DB_LOST)
        log_error("statement %s failed: sqlstate=%s %s", what, state ? state : "none", db->message);
    PQclear(res);
    if (status == DB_LOST)
        forget_connection(db);
    return status;
}

static bool succeeded(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK || s == PGRES_EMPTY_QUERY;
}

enum db_status db_command(struct db *db, const char *sql)
{
    if (!db->conn && db_connect(db) != DB_OK)
        return DB_LOST;
    PGresult *res = PQexec(db->conn, sql);
    if (!succeeded(res))
        return failure(db, sql, res);
    PQclear(res);
    return DB_OK;
}

static enum db_status prepare(struct db *db, const char *name, const char *text)
{
    PGresult *res = PQprepare(db->conn, name, text, 0, NULL);
    if (!succeeded(res))
        return failure(db, name, res);
    PQclear(res);
    return DB_OK;
}

static enum db_status execute(struct db *db, const char *name, const char *what,
                              const struct db_args *a, PGresult **out)
{
    PGresult *res = PQexecPrepared(db->conn, name, a ? a->n : 0, a ? a->values : NULL,
                                   a ? a->lengths : NULL, a ? a->formats : NULL, 0);
    if (!succeeded(res))
        return failure(db, what, res);
    *out = res;
    return DB_OK;
}

enum db_status db_run(struct db *db, const struct sql_statement *s, const struct db_args *a,
                      PGresult **res)
{
    *res = NULL;
    enum db_status status = db_connect(db);
    if (status != DB_OK)
        return status;
    size_t slot = ((uintptr_t)s / sizeof *s) % PREPARED_MAX;
    while (db->prepared[slot] && db->prepared[slot] != s)
        slot = (slot + 1) % PREPARED_MAX;
    if (!db->prepared[slot]) {
        status = prepare(db, s->name, s->text);
        if (status != DB_OK)
            return status;
        db->prepared[slot] = s;
    }
    return execute(db, s->name, s->name, a, res);
}

enum db_status db_run_once(struct db *db, const struct sql_statement *s, const struct db_args *a,
                           PGresult **out)
{
    *out = NULL;
    enum db_status status = db_connect(db);
    if (status != DB_OK)
        return status;
    PGresult *res =
        PQexecParams(db->conn, s->text, a->n, NULL, a->values, a->lengths, a->formats, 0);
    if (!succeeded(res))
        return failure(db, s->name, res);
    *out = res;
    return DB_OK;
}

/* The slot of a text made at run time, prepared; the oldest gives way when all are taken. */
static enum db_status text_slot(struct db *db, const char *text, unsigned *slot)
{
    for (unsigned i = 0; i < TEXTS_MAX; i++)
        if (db->texts[i] && strcmp(db->texts[i], text) == 0) {
            *slot = i;
            return DB_OK;
        }
    unsigned i = db->next_text++ % TEXTS_MAX;
    char name[24], drop[40];
    snprintf(name, sizeof name, "text_%u", i);
    if (db->texts[i]) {
        snprintf(drop, sizeof drop, "DEALLOCATE %s", name);
        free(db->texts[i]);
        db->texts[i] = NULL;
        enum db_status status = db_command(db, drop);
        if (status != DB_OK)
            return status;
    }
    enum db_status status = prepare(db, name, text);
    if (status != DB_OK)
        return status;
    db->texts[i] = strdup(text);
    *slot = i;
    return db->texts[i] ? DB_OK : DB_FAILED;
}

enum db_status db_run_text(struct db *db, const char *text, const struct db_args *a, PGresult **res)
{
    unsigned slot;
    char name[24];
    *res = NULL;
    enum db_status status = db_connect(db);
    if (status == DB_OK)
        status = text_slot(db, text, &slot);
    if (status != DB_OK)
        return status;
    snprintf(name, sizeof name, "text_%u", slot);
    return execute(db, name, name, a, res);
}

void db_args_init(struct db_args *a)
{
    a->n = 0;
}

static void add(struct db_args *a, const char *value, size_t n, int format)
{
    if (a->n >= DB_ARGS_MAX)
        abort(); /* a statement of ours has a fixed number of parameters */
    a->values[a->n] = value;
    a->lengths[a->n] = (int)n;
    a->formats[a->n++] = format;
}

void db_args_int(struct db_args *a, int64_t v)
{
    if (a->n >= DB_ARGS_MAX)
        abort();
    char *to = a->numbers[a->n];
    snprintf(to, sizeof a->numbers[0], "%lld", (long long)v);
    add(a, to, 0, 0);
}

void db_args_bool(struct db_args *a, bool v)
{
    add(a, v ? "t" : "f", 0, 0);
}

void db_args_text(struct db_args *a, const char *s)
{
    add(a, s, 0, 0);
}

void db_args_bytes(struct db_args *a, const void *p, size_t n)
{
    add(a, p, n, 1);
}

void db_args_uuid(struct db_args *a, const struct uuid *u)
{
    add(a, u ? (const char *)u->b : NULL, sizeof u->b, 1);
}

void db_args_binary(struct db_args *a, const void *p, size_t n)
{
    add(a, p, n, 1);
}

void db_args_array(struct db_args *a, const struct pg_array *array)
{
    if (array && array->count)
        add(a, array->bytes.data, array->bytes.len, 1);
    else
        add(a, NULL, 0, 0);
}

bool db_null(const PGresult *r, int row, int col)
{
    return PQgetisnull(r, row, col);
}

const char *db_text(const PGresult *r, int row, int col)
{
    return PQgetvalue(r, row, col);
}

int64_t db_int(const PGresult *r, int row, int col)
{
    return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

bool db_bool(const PGresult *r, int row, int col)
{
    return PQgetvalue(r, row, col)[0] == 't';
}

int db_uuid(const PGresult *r, int row, int col, struct uuid *out)
{
    return PQgetisnull(r, row, col)
               ? -1
               : ids_from_hex(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col), out);
}

unsigned char *db_bytes(const PGresult *r, int row, int col, size_t *n)
{
    *n = 0;
    if (PQgetisnull(r, row, col))
        return NULL;
    return PQunescapeBytea((const unsigned char *)PQgetvalue(r, row, col), n);
}
