/* See entry_drawers.h. Owns the ranges' SQL. Reads only. */
#include "fcgi/entry_drawers.h"

#include <string.h>

#include "fcgi/route.h"
#include "fcgi_sql.h"

#define MARK "/*drawers*/"
#define TEXT_BYTES 16384

bool entry_drawers_read(struct call *c)
{
    struct entry_drawers *d = &c->drawers;
    struct db_args args;
    PGresult *res;
    if (d->read)
        return true;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_DRAWERS], &args, &res)))
        return false;
    d->read = true;
    for (int row = 0; row < PQntuples(res) && d->n < ENTRY_DRAWERS_RANGES; row++, d->n++) {
        d->ranges[d->n].first = (int)db_int(res, row, 0);
        d->ranges[d->n].last = (int)db_int(res, row, 1);
    }
    PQclear(res);
    return true;
}

void entry_drawers_add(const struct entry_drawers *d, const char *column, struct buf *sql)
{
    if (!d->read)
        return;
    if (d->n == 0)
        buf_printf(sql, " AND %s = 0", column); /* there is no such drawer */
    for (int i = 0; i < d->n; i++)
        buf_printf(sql, "%s%s BETWEEN %d AND %d", i ? " OR " : " AND (", column, d->ranges[i].first,
                   d->ranges[i].last);
    if (d->n)
        buf_add_str(sql, ")");
}

void entry_drawers_put(const struct entry_drawers *d, const char *statement, struct buf *sql)
{
    const char *mark;
    while ((mark = strstr(statement, MARK)) != NULL) {
        buf_add(sql, statement, (size_t)(mark - statement));
        entry_drawers_add(d, "o.drawer", sql);
        statement = mark + strlen(MARK);
    }
    buf_add_str(sql, statement);
}

enum db_status entry_drawers_run(struct call *c, const struct sql_statement *statement,
                                 const struct db_args *args, PGresult **res)
{
    struct buf sql;
    buf_init(&sql, TEXT_BYTES);
    entry_drawers_put(&c->drawers, statement->text, &sql);
    enum db_status status = sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, args, res);
    buf_release(&sql);
    return status;
}
