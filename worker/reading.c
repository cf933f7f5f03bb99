/* See reading.h. Memory only. */
#include "worker/reading.h"

#include <string.h>

#include "common/log.h"
#include "worker/clock.h"

#define PAUSE_MS 200 /* after a statement that failed */

void reading_arg_bytes(struct reading_args *a, const void *p, size_t n)
{
    a->values[a->n] = p;
    a->lengths[a->n] = (int)n;
    a->formats[a->n++] = 1;
}

void reading_arg_text(struct reading_args *a, const char *s)
{
    a->values[a->n] = s;
    a->lengths[a->n] = 0;
    a->formats[a->n++] = 0;
}

void reading_arg_array(struct reading_args *a, const struct pg_array *array)
{
    reading_arg_bytes(a, array->bytes.data, array->bytes.len);
}

int reading_ask_this(struct reader *r, struct pipe *pipe, const struct sql_statement *s,
                     const struct reading_args *a, bool binary, pipe_answer *answer)
{
    return pipe_send(pipe, s, a->n, a->values, a->lengths, a->formats, binary, answer, r);
}

int reading_ask(struct reader *r, struct pipe *pipe, enum worker_sql which,
                const struct reading_args *a, bool binary, pipe_answer *answer)
{
    return reading_ask_this(r, pipe, &worker_sql[which], a, binary, answer);
}

bool reading_good(struct reader *r, const PGresult *res, const char *what)
{
    ExecStatusType s = res ? PQresultStatus(res) : PGRES_FATAL_ERROR;
    if (s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK)
        return true;
    if (res)
        log_error("statement %s failed: sqlstate=%s %s", what,
                  PQresultErrorField(res, PG_DIAG_SQLSTATE),
                  PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
    r->not_before_ms[r->asked] = clock_ms() + PAUSE_MS;
    return false;
}
