/*
 * What is done with a webhook beside changing its settings: pause, resume, delete, retry-now. Their routes stand with
 * the others of webhooks, in webhooks.c.
 *
 * Each act is one statement that also writes its audit row; retry-now is one transaction. After a DELETE a crash may
 * leave retries at their old time: the sender dead-letters those when they come.
 */
#include "fcgi/handlers.h"

#include "fcgi/fields.h"
#include "fcgi/webhook_row.h"
#include "fcgi_sql.h"

#define RELEASE_ROWS 10000 /* rows one statement moves: about 0.2 s */
#define RELEASE_ROUNDS 50  /* of a DELETE; the rest goes at its own time */

/* An act without settings: a body is not needed, and one that says something is refused. */
static bool body_says_nothing(struct call *c)
{
    static const char *const none[] = {NULL};
    json_t *body = route_body_object(c);
    bool ok = body && fields_known(c, body, none, NULL);
    json_decref(body);
    return ok;
}

static void set_paused(struct call *c, bool paused)
{
    struct uuid id;
    struct db_args a;
    char text[IDS_TEXT_MAX];
    json_t *row;
    if (!body_says_nothing(c) || !route_id(c, 0, ID_WEBHOOK, &id))
        return;
    ids_format(ID_WEBHOOK, &id, text);
    webhook_row_args(c, &a, &id);
    db_args_bool(&a, paused);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, paused ? "webhook.pause" : "webhook.resume");
    db_args_text(&a, text);
    db_args_text(&a, c->rq->id);
    if (!webhook_row_run(c, &fcgi_sql[FCGI_SQL_WEBHOOK_PAUSE], &a, &row))
        return;
    if (!row) {
        route_not_found(c);
        return;
    }
    route_wake(c);
    webhook_row_answer(c, 200, row, NULL);
}

void webhook_acts_pause(struct call *c)
{
    set_paused(c, true);
}

void webhook_acts_resume(struct call *c)
{
    set_paused(c, false);
}

/* --- what waits ------------------------------------------------------------------------------------------------- */

/* Runs a statement that marks the webhook and audits it. false: answered (404 if there is none). */
static bool mark(struct call *c, const struct sql_statement *s, const struct uuid *id)
{
    PGresult *res;
    struct db_args a;
    char text[IDS_TEXT_MAX];
    ids_format(ID_WEBHOOK, id, text);
    webhook_row_args(c, &a, id);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, text);
    db_args_text(&a, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, s, &a, &res)))
        return false;
    bool found = PQntuples(res) > 0;
    PQclear(res);
    if (!found)
        route_not_found(c);
    return found;
}

static enum db_status release(struct call *c, const struct uuid *id, int64_t *moved)
{
    PGresult *res;
    struct db_args a;
    webhook_row_args(c, &a, id);
    db_args_int(&a, RELEASE_ROWS);
    enum db_status s = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_RELEASE], &a, &res);
    if (s == DB_OK) {
        *moved = db_int(res, 0, 0);
        PQclear(res);
    }
    return s;
}

/* The act is done with the first statement: trouble while moving rows is not the caller's. */
void webhook_acts_delete(struct call *c)
{
    struct uuid id;
    int64_t moved = RELEASE_ROWS;
    if (!route_id(c, 0, ID_WEBHOOK, &id) || !mark(c, &fcgi_sql[FCGI_SQL_WEBHOOK_DELETE], &id))
        return;
    for (int i = 0; i < RELEASE_ROUNDS && moved == RELEASE_ROWS; i++)
        if (release(c, &id, &moved) != DB_OK)
            break;
    route_wake(c);
    response_empty(c->rs, 204);
}

void webhook_acts_retry_now(struct call *c)
{
    struct uuid id;
    int64_t moved = 0;
    char text[IDS_TEXT_MAX];
    if (!body_says_nothing(c) || !route_id(c, 0, ID_WEBHOOK, &id) || !route_begin(c))
        return;
    if (!mark(c, &fcgi_sql[FCGI_SQL_WEBHOOK_RETRY_NOW], &id) ||
        !route_db_ok(c, release(c, &id, &moved))) {
        route_rollback(c);
        return;
    }
    if (!route_commit(c))
        return;
    route_wake(c);
    ids_format(ID_WEBHOOK, &id, text);
    response_json(c->rs, 200,
                  json_pack("{sssIsb}", "webhookId", text, "moved", (json_int_t)moved, "more",
                            moved == RELEASE_ROWS));
}
