/* See named.h. Owns the name on one connection. Must never be what a delivery waits for: what fails here is logged, and the
 * plain statement goes on. A crash leaves nothing. */
#include "worker/named.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"

#define EVERY_MS 1000
#define TEXT_BYTES 65536

void named_init(struct named *n, const struct sql_statement *plain)
{
    *n = (struct named){.plain = plain};
    n->now = (struct sql_statement){.name = n->name, .nparams = plain->nparams - LIMIT_DRAWERS};
}

static bool has(const int32_t *drawers, int ndrawers, int32_t drawer)
{
    for (int i = 0; i < ndrawers; i++)
        if (drawers[i] == drawer)
            return true;
    return false;
}

static bool is_there(const struct named *n, const struct pipe *pipe)
{
    return n->ndrawers && n->connection == pipe_connection(pipe);
}

static bool covers(const struct named *n, const int32_t *drawers, int ndrawers)
{
    for (int i = 0; i < ndrawers; i++)
        if (drawers[i] && !has(n->drawers, n->ndrawers, drawers[i]))
            return false;
    return true;
}

const struct sql_statement *named_for(const struct named *n, const struct pipe *pipe,
                                      const int32_t *drawers, int ndrawers)
{
    return is_there(n, pipe) && covers(n, drawers, ndrawers) ? &n->now : n->plain;
}

/* Adds to `to` what is not there yet, as long as there is room. */
static int gather(int32_t to[LIMIT_DRAWERS], int count, const int32_t *drawers, int ndrawers)
{
    for (int i = 0; i < ndrawers && count < LIMIT_DRAWERS; i++)
        if (drawers[i] && !has(to, count, drawers[i]))
            to[count++] = drawers[i];
    return count;
}

/* The plain text with constants wherever it lists its last parameters. */
static void add_text(const struct named *n, struct buf *sql)
{
    char list[LIMIT_DRAWERS * 12] = "";
    const char *text = n->plain->text, *at;
    size_t len = 0;
    for (int i = n->now.nparams + 1; i <= n->plain->nparams; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s$%d::int4", len ? ", " : "", i);
    for (; (at = strstr(text, list)) != NULL; text = at + len) {
        buf_add(sql, text, (size_t)(at - text));
        for (int i = 0; i < n->ndrawers; i++)
            buf_printf(sql, "%s%d", i ? ", " : "", n->drawers[i]);
    }
    buf_add_str(sql, text);
}

static void prepared(void *arg, PGresult *res)
{
    struct named *n = arg;
    if (res && PQresultStatus(res) == PGRES_COMMAND_OK)
        return;
    n->ndrawers = 0; /* the next one has a name of its own */
    if (res)
        log_error("cannot prepare %s: %s", n->name,
                  PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

int named_prepare(struct named *n, struct pipe *pipe, const int32_t *drawers, int ndrawers,
                  int64_t now_ms)
{
    bool there = is_there(n, pipe);
    int32_t wanted[LIMIT_DRAWERS] = {0};
    int count = gather(wanted, 0, drawers, ndrawers);
    if (now_ms < n->not_before_ms || count == 0 || (there && covers(n, drawers, ndrawers)))
        return -1;
    struct buf sql;
    buf_init(&sql, TEXT_BYTES);
    if (there) {
        buf_printf(&sql, "DEALLOCATE %s; ", n->name);
        count = gather(wanted, count, n->drawers, n->ndrawers);
    }
    n->not_before_ms = now_ms + EVERY_MS;
    snprintf(n->name, sizeof n->name, "%s_%u", n->plain->name, ++n->serial);
    memcpy(n->drawers, wanted, sizeof wanted);
    n->ndrawers = count;
    n->connection = pipe_connection(pipe);
    buf_printf(&sql, "PREPARE %s AS ", n->name);
    add_text(n, &sql);
    int rc = sql.failed ? -1 : pipe_command(pipe, sql.data, prepared, n);
    if (rc != 0)
        n->ndrawers = 0;
    buf_release(&sql);
    return rc;
}
