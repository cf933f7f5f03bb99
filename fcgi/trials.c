/*
 * Trying a transform on a sample: POST /v1/webhooks/{id}/test-transform, and what came of it.
 *
 * Owns the rows of `trials` until a sender takes them. Must never run a program: the sender that owns the webhook's shard
 * does. A crash before the commit leaves nothing; after it, a row that is run, and cut after an hour.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_scan.h"
#include "common/limits.h"
#include "fcgi/event_input.h"
#include "fcgi_sql.h"

#define BODY_BYTES (LIMIT_PAYLOAD_BYTES + LIMIT_BODY_BYTES)
#define MEMBERS_MAX 8
#define DEPTH (LIMIT_JSON_DEPTH + 1)

struct input {
    char *transform; /* NULL: the webhook's own */
    struct json_slice payload;
};

static bool is_null(struct json_slice v)
{
    return v.len == 4 && memcmp(v.p, "null", 4) == 0;
}

/* false: answered. */
static bool read_transform(struct call *c, struct json_slice v, struct input *in)
{
    size_t n = 0;
    if (is_null(v))
        return true;
    if (v.p[0] != '"') {
        response_field_problem(c->rs, 400, "wrong-type", "/transform",
                               "transform must be a string.");
        return false;
    }
    in->transform = malloc(LIMIT_TRANSFORM_BYTES + 1);
    if (in->transform && json_scan_text(v, in->transform, LIMIT_TRANSFORM_BYTES + 1, &n) == 0 &&
        n > 0 && strlen(in->transform) == n)
        return true;
    response_field_problem(c->rs, 422, "invalid-transform", "/transform",
                           "transform must be a jq program of 1 to %d bytes.",
                           LIMIT_TRANSFORM_BYTES);
    return false;
}

static bool read_payload(struct call *c, struct json_slice v, struct input *in)
{
    in->payload = v;
    if (v.len <= (size_t)c->who.max_payload_bytes && v.len <= LIMIT_PAYLOAD_BYTES)
        return true;
    response_field_problem(c->rs, 413, "payload-too-large", "/payload",
                           "The payload may have at most %lld bytes.",
                           (long long)c->who.max_payload_bytes);
    return false;
}

static bool read_member(struct call *c, const struct json_member *m, struct input *in)
{
    if (json_scan_is(m->key, "transform"))
        return read_transform(c, m->value, in);
    if (json_scan_is(m->key, "payload"))
        return read_payload(c, m->value, in);
    response_field_problem(c->rs, 400, "unknown-field", "",
                           "test-transform takes transform and payload, nothing else.");
    return false;
}

/* The payload is taken as it was written: Jansson would alter the very numbers that a trial is to show. */
static bool read_input(struct call *c, struct input *in)
{
    static const struct json_limits limits = {DEPTH};
    struct json_member members[MEMBERS_MAX];
    size_t n = 0, offset = 0;
    enum json_scan_result scanned =
        json_scan_object(c->rq->body, c->rq->body_len, &limits, members, MEMBERS_MAX, &n, &offset);
    if (scanned != JSON_SCAN_OK) {
        struct event_input_error err;
        event_input_scan_error(scanned, offset, "the body", &err);
        response_field_problem(c->rs, err.status, err.code, err.pointer, "%s", err.detail);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!read_member(c, &members[i], in))
            return false;
    if (in->payload.p)
        return true;
    response_field_problem(c->rs, 400, "missing-field", "/payload", "payload is missing.");
    return false;
}

static void answer_created(struct call *c, const struct uuid *webhook, const struct uuid *trial,
                           const PGresult *res)
{
    char hook[IDS_TEXT_MAX], id[IDS_TEXT_MAX], path[128];
    if (PQntuples(res) == 0) {
        route_not_found(c);
    } else if (!db_bool(res, 0, 0)) {
        response_field_problem(c->rs, 422, "no-transform", "/transform",
                               "The webhook has no transform, and none was given.");
    } else if (!db_bool(res, 0, 1)) {
        response_problem(c->rs, 422, "transforms-unavailable",
                         "No sender can run transforms safely: it has no sandboxes.", NULL, 0);
    } else if (!db_bool(res, 0, 3)) {
        response_too_many(c->rs, "too-many-trials", "A project may try six transforms a minute.",
                          (int)db_int(res, 0, 2));
    } else {
        ids_format(ID_WEBHOOK, webhook, hook);
        ids_format(ID_TRIAL, trial, id);
        snprintf(path, sizeof path, "/v1/webhooks/%s/test-transform/%s", hook, id);
        response_location(c->rs, c->desk->config->public_url, path);
        response_json(c->rs, 202, json_pack("{ssss}", "id", id, "status", "pending"));
    }
}

void trials_create(struct call *c)
{
    struct input in = {0};
    struct uuid webhook, trial;
    struct db_args a;
    PGresult *res;
    if (route_id(c, 0, ID_WEBHOOK, &webhook) && read_input(c, &in)) {
        ids_new(&trial);
        db_args_init(&a);
        db_args_int(&a, c->who.project_id);
        db_args_uuid(&a, &webhook);
        db_args_uuid(&a, &trial);
        db_args_text(&a, in.transform);
        db_args_bytes(&a, in.payload.p, in.payload.len);
        if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_TRIAL_CREATE], &a, &res))) {
            answer_created(c, &webhook, &trial, res);
            PQclear(res);
        }
    }
    free(in.transform);
}

static json_t *text_or_null(const PGresult *res, int col)
{
    return db_null(res, 0, col) ? json_null() : json_string(db_text(res, 0, col));
}

static json_t *view(const PGresult *res, const struct uuid *trial)
{
    char id[IDS_TEXT_MAX];
    size_t n = 0;
    unsigned char *output = db_bytes(res, 0, 1, &n);
    bool done = db_bool(res, 0, 0);
    ids_format(ID_TRIAL, trial, id);
    json_t *o = json_pack("{sssssosososo}", "id", id, "status", done ? "done" : "pending", "output",
                          output ? json_stringn((const char *)output, n) : json_null(), "errorCode",
                          text_or_null(res, 2), "error", text_or_null(res, 3), "elapsedMs",
                          done ? json_real((double)(db_int(res, 0, 4) / 100) / 10.0) : json_null());
    PQfreemem(output);
    return o;
}

void trials_get(struct call *c)
{
    struct uuid webhook, trial;
    struct db_args a;
    PGresult *res;
    if (!route_id(c, 0, ID_WEBHOOK, &webhook) || !route_id(c, 1, ID_TRIAL, &trial))
        return;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_uuid(&a, &webhook);
    db_args_uuid(&a, &trial);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_TRIAL_GET], &a, &res)))
        return;
    if (PQntuples(res))
        response_json(c->rs, 200, view(res, &trial));
    else
        route_not_found(c);
    PQclear(res);
}

const struct route trials_routes[] = {
    {METHOD_POST, "/v1/webhooks/{}/test-transform", trials_create, SCOPE_WEBHOOKS_WRITE, BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_GET, "/v1/webhooks/{}/test-transform/{}", trials_get, SCOPE_WEBHOOKS_WRITE, 0, 0, NULL},
    {0},
};
