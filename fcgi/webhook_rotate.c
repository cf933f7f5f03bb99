/*
 * POST /v1/webhooks/{id}/rotate-secret: a new secret of the kind the webhook has; the one before signs along for
 * graceSeconds. Its route stands with the others of webhooks, in webhooks.c.
 *
 * One statement writes secret and audit. A v1 secret is shown this once; a v1a webhook answers its new public key, and
 * receivers have the grace time to take it up.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <string.h>

#include "common/seal.h"
#include "fcgi/fields.h"
#include "fcgi/webhook_row.h"
#include "fcgi/webhook_secret.h"
#include "fcgi_sql.h"

#define GRACE_DEFAULT_S 86400
#define GRACE_MAX_S (7 * 86400)

struct rotation {
    int64_t grace_s;
    bool v1a;
    size_t keylen;
    unsigned char key[SIGNING_KEY_MAX];
};

static bool read_grace(struct call *c, const json_t *value, struct rotation *out)
{
    out->grace_s = GRACE_DEFAULT_S;
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value)) {
        response_field_problem(c->rs, 400, "wrong-type", "/graceSeconds",
                               "graceSeconds must be an integer.");
        return false;
    }
    out->grace_s = json_integer_value(value);
    if (out->grace_s >= 0 && out->grace_s <= GRACE_MAX_S)
        return true;
    response_field_problem(c->rs, 422, "out-of-range", "/graceSeconds",
                           "graceSeconds must lie between 0 and %d.", GRACE_MAX_S);
    return false;
}

static bool read_secret(struct call *c, const json_t *value, struct rotation *out)
{
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value)) {
        response_field_problem(c->rs, 400, "wrong-type", "/secret", "secret must be a string.");
        return false;
    }
    if (webhook_secret_parse(out->v1a, value, out->key, &out->keylen) == 0)
        return true;
    response_field_problem(c->rs, 422, "invalid-secret", "/secret", "%s",
                           webhook_secret_is(out->v1a));
    return false;
}

static bool read_rotation(struct call *c, struct rotation *out)
{
    static const char *const known[] = {"secret", "graceSeconds", NULL};
    json_t *body = route_body_object(c);
    bool ok = body && fields_known(c, body, known, NULL) &&
              read_grace(c, json_object_get(body, "graceSeconds"), out) &&
              read_secret(c, json_object_get(body, "secret"), out);
    json_decref(body);
    return ok;
}

static bool rotate(struct call *c, const struct webhook_row *w, const struct rotation *wanted,
                   const struct webhook_secret *secret, json_t **row)
{
    struct db_args a;
    char detail[48];
    snprintf(detail, sizeof detail, "{\"graceSeconds\":%lld}", (long long)wanted->grace_s);
    webhook_row_args(c, &a, &w->id);
    db_args_bytes(&a, secret->sealed, secret->sealed_len);
    db_args_int(&a, wanted->grace_s);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, w->text);
    db_args_text(&a, detail);
    db_args_text(&a, c->rq->id);
    db_args_text(&a, wanted->v1a ? "v1a" : "v1");
    db_args_text(&a, wanted->v1a ? secret->public_text : NULL);
    return webhook_row_run(c, &fcgi_sql[FCGI_SQL_WEBHOOK_ROTATE], &a, row);
}

static void answer(struct call *c, json_t *row, const struct webhook_secret *secret)
{
    if (row) {
        route_wake(c);
        webhook_row_answer(c, 200, row, secret->text);
    } else {
        response_problem(c->rs, 409, "busy", "Others are changing the webhook. Try again.", NULL,
                         0);
    }
}

void webhook_rotate_post(struct call *c)
{
    struct webhook_row w;
    struct webhook_secret secret = {.text = ""};
    struct rotation wanted = {.keylen = 0};
    json_t *row = NULL;
    if (webhook_row_find(c, &w)) {
        const char *signing = json_string_value(json_object_get(w.row, "signing"));
        struct webhook_place at = webhook_row_place(c, &w.id);
        wanted.v1a = signing && strcmp(signing, "v1a") == 0;
        if (!read_rotation(c, &wanted))
            ;
        else if (webhook_secret_make(&at, wanted.v1a, wanted.key, &wanted.keylen, &secret) != 0)
            webhook_row_internal(c, "No secret can be made.");
        else if (rotate(c, &w, &wanted, &secret, &row))
            answer(c, row, &secret);
    }
    webhook_secret_release(&secret);
    seal_wipe(&wanted, sizeof wanted);
    webhook_row_release(&w);
}
