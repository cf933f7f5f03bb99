/* See webhook_row.h. Reads and answers only. */
#include "fcgi/webhook_row.h"

#include <string.h>

#include "fcgi/webhook_view.h"
#include "fcgi_sql.h"

bool webhook_row_internal(struct call *c, const char *detail)
{
    response_problem(c->rs, 500, "internal", detail, NULL, 0);
    return false;
}

struct webhook_place webhook_row_place(const struct call *c, const struct uuid *id)
{
    return (struct webhook_place){c->desk->keyring, *id, c->who.project_id};
}

int64_t webhook_row_version(const json_t *row)
{
    return json_integer_value(json_object_get(row, "version"));
}

void webhook_row_args(struct call *c, struct db_args *a, const struct uuid *id)
{
    db_args_init(a);
    db_args_int(a, c->who.project_id);
    db_args_uuid(a, id);
}

/* The first column of the first row, as JSON; NULL if there is no row. Frees the result. */
static json_t *take_row(PGresult *res)
{
    json_t *row = PQntuples(res) > 0 ? json_loads(db_text(res, 0, 0), 0, NULL) : NULL;
    PQclear(res);
    return row;
}

bool webhook_row_run(struct call *c, const struct sql_statement *s, const struct db_args *a,
                     json_t **row)
{
    PGresult *res;
    *row = NULL;
    if (!route_db_ok(c, db_run(c->desk->db, s, a, &res)))
        return false;
    bool came = PQntuples(res) > 0;
    *row = take_row(res);
    return !came || *row || webhook_row_internal(c, "The webhook cannot be read.");
}

void webhook_row_answer(struct call *c, int status, json_t *row, const char *secret)
{
    json_t *view = webhook_view(row);
    if (view && secret && *secret) {
        json_object_set_new(view, "secret", json_string(secret));
        response_secret_member(c->rs, "secret");
    }
    response_version(c->rs, webhook_row_version(row));
    json_decref(row);
    response_json(c->rs, status, view);
}

bool webhook_row_find(struct call *c, struct webhook_row *out)
{
    PGresult *res;
    struct db_args a;
    memset(out, 0, sizeof *out);
    if (!route_id(c, 0, ID_WEBHOOK, &out->id))
        return false;
    webhook_row_args(c, &a, &out->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_GET], &a, &res)))
        return false;
    if (PQntuples(res) == 0) {
        PQclear(res);
        route_not_found(c);
        return false;
    }
    out->headers = db_bytes(res, 0, 1, &out->headers_len);
    out->row = take_row(res);
    ids_format(ID_WEBHOOK, &out->id, out->text);
    return out->row || webhook_row_internal(c, "The webhook cannot be read.");
}

void webhook_row_release(struct webhook_row *w)
{
    json_decref(w->row);
    PQfreemem(w->headers);
    memset(w, 0, sizeof *w);
}
