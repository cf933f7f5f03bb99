/*
 * POST /v1/dlq/bulk-re-drive, -discard, -restore, -purge. Owns the order of what is asked before a set is frozen: the form,
 * the plan, the key. Must never act on anything itself: it makes an operation, and the worker brings that on.
 */
#include "fcgi/handlers.h"

#include <stdio.h>

#include "common/limits.h"
#include "fcgi/bulk_freeze.h"
#include "fcgi/bulk_input.h"
#include "fcgi/idempotency.h"

#define FLAGS (ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT | ROUTE_SLOW)

const struct route bulk_routes[] = {
    {METHOD_POST, "/v1/dlq/bulk-re-drive", bulk_redrive, SCOPE_DLQ_REPLAY_BULK,
     LIMIT_BULK_BODY_BYTES, FLAGS, NULL},
    {METHOD_POST, "/v1/dlq/bulk-discard", bulk_discard, SCOPE_DLQ_DISCARD, LIMIT_BULK_BODY_BYTES,
     FLAGS, NULL},
    {METHOD_POST, "/v1/dlq/bulk-restore", bulk_restore, SCOPE_DLQ_DISCARD, LIMIT_BULK_BODY_BYTES,
     FLAGS, NULL},
    {METHOD_POST, "/v1/dlq/bulk-purge", bulk_purge, SCOPE_DLQ_PURGE, LIMIT_BULK_BODY_BYTES, FLAGS,
     NULL},
    {.pattern = NULL},
};

static void make(struct call *c, struct bulk_input *in)
{
    const char *key;
    size_t len;
    char text[LIMIT_IDEMPOTENCY_KEY_BYTES + 1];
    int given = idempotency_key(c, &key, &len);
    if (given == 0)
        response_field_problem(c->rs, 400, "idempotency-key-required", "Idempotency-Key",
                               "Send an Idempotency-Key: one key is one operation.");
    if (given <= 0)
        return;
    snprintf(text, sizeof text, "%.*s", (int)len, key);
    bulk_freeze_make(c, in, NULL, text);
}

static void answer(struct call *c, enum operation_kind kind)
{
    struct bulk_input in;
    json_t *body = route_body_object(c);
    if (!body)
        return;
    if (bulk_input_read(&in, c, body, kind)) {
        if (in.dry_run)
            bulk_freeze_plan(c, &in);
        else
            make(c, &in);
    }
    bulk_input_release(&in);
    json_decref(body);
}

void bulk_redrive(struct call *c)
{
    answer(c, OPERATION_REDRIVE);
}

void bulk_discard(struct call *c)
{
    answer(c, OPERATION_DISCARD);
}

void bulk_restore(struct call *c)
{
    answer(c, OPERATION_RESTORE);
}

void bulk_purge(struct call *c)
{
    answer(c, OPERATION_PURGE);
}
