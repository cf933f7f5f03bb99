/*
 * Webhooks: where events are sent. Owns the routes below /v1/webhooks and seed 003's alias of
 * creation.
 *
 * Each write is one statement that also writes its audit row; creation is one transaction. The
 * senders learn of a change from the row itself (changed_xid); route_wake only makes it sooner. A
 * crash leaves either all of an act or nothing of it.
 *
 * It must never look a name up, send a request, or show a secret a second time.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "fcgi/list.h"
#include "fcgi/webhook_auto.h"
#include "fcgi/webhook_headers.h"
#include "fcgi/webhook_input.h"
#include "fcgi/webhook_pointer.h"
#include "fcgi/webhook_row.h"
#include "fcgi/webhook_seal.h"
#include "fcgi/webhook_secret.h"
#include "fcgi/webhook_view.h"
#include "fcgi_sql.h"

#define PATCH_ROUNDS 5 /* with If-Match: * against other writers */

/* --- create --------------------------------------------------------------------------------- */

/* What goes into the database besides the settings. */
struct sealed {
    char *settings; /* JSON text */
    char *detail;   /* for the audit */
    unsigned char *headers, *tls;
    size_t headers_len, tls_len;
    struct webhook_secret secret;
};

static void sealed_release(struct sealed *s)
{
    free(s->settings);
    free(s->detail);
    free(s->headers);
    free(s->tls);
    webhook_secret_release(&s->secret);
    memset(s, 0, sizeof *s);
}

/* The names of what was sent; never a value: URLs and headers hold secrets. */
static char *audit_detail(const json_t *sent)
{
    json_t *detail = json_pack("{sO}", "fields", sent);
    char *text = json_dumps(detail, JSON_COMPACT);
    json_decref(detail);
    return text;
}

static bool put_settings(struct call *c, const struct webhook_input *in, struct sealed *out)
{
    out->settings = json_dumps(in->columns, JSON_COMPACT);
    out->detail = audit_detail(in->sent);
    return (out->settings && out->detail) || webhook_row_internal(c, "Out of memory.");
}

static bool put_headers(struct call *c, struct webhook_input *in, const struct uuid *id,
                        struct sealed *out)
{
    struct webhook_place at = webhook_row_place(c, id);
    json_t *names = webhook_headers_names(in->headers);
    if (json_object_set_new(in->columns, "header_names", names) == 0 &&
        webhook_seal_headers(&at, in->headers, &out->headers, &out->headers_len) == 0)
        return true;
    return webhook_row_internal(c, "The headers cannot be sealed.");
}

/* The key that was sent, or a new one, of the kind that the settings want. */
static bool put_secret(struct call *c, struct webhook_input *in, const struct uuid *id,
                       struct sealed *out)
{
    struct webhook_place at = webhook_row_place(c, id);
    bool v1a = webhook_input_v1a(in);
    if (webhook_secret_make(&at, v1a, in->key, &in->keylen, &out->secret) != 0)
        return webhook_row_internal(c, "No secret can be made.");
    json_t *public_key = v1a ? json_string(out->secret.public_text) : json_null();
    return json_object_set_new(in->columns, "public_key", public_key) == 0 ||
           webhook_row_internal(c, "Out of memory.");
}

static bool put_tls(struct call *c, const struct webhook_input *in, const struct uuid *id,
                    struct sealed *out)
{
    struct webhook_place at = webhook_row_place(c, id);
    return !in->tls.client.pem ||
           webhook_seal_tls(&at, in->tls.client.pem, in->tls.client.len, &out->tls,
                            &out->tls_len) == 0 ||
           webhook_row_internal(c, "The client key cannot be sealed.");
}

/* --- what a field needs beside being well-formed ---------------------------------------------- */

/* Whoever says where our own news go must be allowed to read them. */
static bool may_listen(struct call *c, const struct webhook_input *in, const json_t *body)
{
    bool moves = webhook_input_sent(body, "channels") || webhook_input_sent(body, "url");
    bool payload = json_is_true(json_object_get(in->columns, "dlq_payload"));
    if (!webhook_input_listens(in))
        return true;
    if (moves && !principal_may(&c->who, SCOPE_DLQ_READ))
        return principal_refuse(c, SCOPE_DLQ_READ);
    if (payload && (moves || webhook_input_sent(body, "dlqPayload")) &&
        !principal_may(&c->who, SCOPE_DLQ_PAYLOAD))
        return principal_refuse(c, SCOPE_DLQ_PAYLOAD);
    return true;
}

/* Transforms are run walled in or not at all: where no sender can, none is taken. */
static bool may_transform(struct call *c, const json_t *body)
{
    PGresult *res;
    if (!webhook_input_sent(body, "transform"))
        return true;
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_TRANSFORMS], NULL, &res)))
        return false;
    bool available = db_bool(res, 0, 0);
    PQclear(res);
    if (!available)
        response_field_problem(c->rs, 422, "transforms-unavailable", "/transform",
                               "No sender that is running can run transforms.");
    return available;
}

static bool allowed(struct call *c, const struct webhook_input *in, const json_t *body)
{
    return may_listen(c, in, body) && may_transform(c, body) &&
           webhook_auto_allowed(c, body, in->columns);
}

static struct webhook_rules rules_of(const struct call *c)
{
    return (struct webhook_rules){.retention_s = c->who.retention_s,
                                  .allow = &c->desk->allow,
                                  .text = {c->rq->body, c->rq->body_len}};
}

/* --- storing ---------------------------------------------------------------------------------- */

static bool insert(struct call *c, const struct uuid *id, const struct sealed *s, json_t **row)
{
    char text[IDS_TEXT_MAX];
    struct db_args a;
    ids_format(ID_WEBHOOK, id, text);
    webhook_row_args(c, &a, id);
    db_args_int(&a, id->b[15] % LIMIT_SHARDS);
    db_args_text(&a, s->settings);
    db_args_bytes(&a, s->headers, s->headers_len);
    db_args_bytes(&a, s->secret.sealed, s->secret.sealed_len);
    db_args_bytes(&a, s->tls, s->tls_len);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, text);
    db_args_text(&a, s->detail);
    db_args_text(&a, c->rq->id);
    return webhook_row_run(c, &fcgi_sql[FCGI_SQL_WEBHOOK_INSERT], &a, row);
}

/* Takes a place of the plan and the row in one transaction. NULL: answered. */
static json_t *insert_within_plan(struct call *c, const struct uuid *id, const struct sealed *s)
{
    PGresult *res;
    struct db_args a;
    json_t *row = NULL;
    if (!route_begin(c))
        return NULL;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_LOCK_PLAN], &a, &res))) {
        route_rollback(c);
        return NULL;
    }
    PQclear(res);
    if (!insert(c, id, s, &row)) {
        route_rollback(c);
        return NULL;
    }
    if (!row) {
        route_rollback(c);
        response_problem(c->rs, 422, "plan-limit", "The plan takes no more webhooks.", NULL, 0);
        return NULL;
    }
    if (!route_commit(c)) {
        json_decref(row);
        return NULL;
    }
    return row;
}

static bool seal(struct call *c, struct webhook_input *in, const struct uuid *id,
                 struct sealed *out)
{
    return put_headers(c, in, id, out) && put_secret(c, in, id, out) && put_tls(c, in, id, out) &&
           put_settings(c, in, out);
}

static void answer_created(struct call *c, const struct uuid *id, json_t *row, const char *secret)
{
    char path[64], text[IDS_TEXT_MAX];
    ids_format(ID_WEBHOOK, id, text);
    snprintf(path, sizeof path, "/v1/webhooks/%s", text);
    response_location(c->rs, c->desk->config->public_url, path);
    route_wake(c);
    webhook_row_answer(c, 201, row, secret);
}

/* `body` may be made from what was sent; its values are judged, and a schema's bytes are the request's own. */
static void create(struct call *c, const json_t *body, bool subscription)
{
    struct webhook_rules rules = rules_of(c);
    struct webhook_input in;
    struct sealed sealed = {0};
    struct uuid id;
    json_t *row = NULL;

    rules.subscription = subscription;
    if (webhook_input_read(body, NULL, &rules, c->rs, &in) != 0)
        return;
    ids_new(&id);
    if (allowed(c, &in, body) && seal(c, &in, &id, &sealed))
        row = insert_within_plan(c, &id, &sealed);
    if (row)
        answer_created(c, &id, row, sealed.secret.text);
    sealed_release(&sealed);
    webhook_input_release(&in);
}

void webhooks_create(struct call *c)
{
    json_t *body = route_body_object(c);
    if (body)
        create(c, body, false);
    json_decref(body);
}

/* --- seed 003's alias ----------------------------------------------------------------------- */

enum presence { REQUIRED, OPTIONAL };

static const struct {
    const char *name;
    json_type type;
    enum presence presence;
    const char *is;
} subscription_fields[] = {
    {"channel", JSON_STRING, REQUIRED, "a string"},
    {"name", JSON_STRING, OPTIONAL, "a string"},
    {"type", JSON_STRING, REQUIRED, "a string"},
    {"endpoint", JSON_OBJECT, REQUIRED, "an object"},
};
#define SUBSCRIPTION_FIELDS (sizeof subscription_fields / sizeof *subscription_fields)

static bool only_members(struct call *c, const json_t *object, const char *parent,
                         bool known(const char *name))
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) if (!known(name))
    {
        char pointer[160];
        webhook_pointer(parent ? parent : name, parent ? name : NULL, pointer, sizeof pointer);
        response_field_problem(c->rs, 400, "unknown-field", pointer, "There is no such field.");
        return false;
    }
    return true;
}

static bool is_subscription_field(const char *name)
{
    for (size_t i = 0; i < SUBSCRIPTION_FIELDS; i++)
        if (strcmp(subscription_fields[i].name, name) == 0)
            return true;
    return false;
}

static bool is_endpoint_field(const char *name)
{
    return strcmp(name, "url") == 0;
}

static bool subscription_field_ok(struct call *c, const json_t *body, size_t i)
{
    const char *name = subscription_fields[i].name;
    const json_t *value = json_object_get(body, name);
    bool absent = !value || json_is_null(value);
    if (absent ? subscription_fields[i].presence == OPTIONAL
               : json_typeof(value) == subscription_fields[i].type)
        return true;
    char pointer[32];
    webhook_pointer(name, NULL, pointer, sizeof pointer);
    if (absent)
        response_field_problem(c->rs, 400, "missing-field", pointer, "%s is required.", name);
    else
        response_field_problem(c->rs, 400, "wrong-type", pointer, "%s must be %s.", name,
                               subscription_fields[i].is);
    return false;
}

static bool subscription_ok(struct call *c, const json_t *body)
{
    if (!only_members(c, body, NULL, is_subscription_field))
        return false;
    for (size_t i = 0; i < SUBSCRIPTION_FIELDS; i++)
        if (!subscription_field_ok(c, body, i))
            return false;
    if (!only_members(c, json_object_get(body, "endpoint"), "endpoint", is_endpoint_field))
        return false;
    if (strcmp(json_string_value(json_object_get(body, "type")), "webhook") == 0)
        return true;
    response_field_problem(c->rs, 422, "unknown-value", "/type", "type must be webhook.");
    return false;
}

void webhooks_subscriptions(struct call *c)
{
    json_t *body = route_body_object(c);
    if (body && subscription_ok(c, body)) {
        json_t *webhook = json_pack("{sO*sO*s[O]}", "name", json_object_get(body, "name"), "url",
                                    json_object_get(json_object_get(body, "endpoint"), "url"),
                                    "channels", json_object_get(body, "channel"));
        if (webhook)
            create(c, webhook, true);
        else
            webhook_row_internal(c, "Out of memory.");
        json_decref(webhook);
    }
    json_decref(body);
}

/* --- read ----------------------------------------------------------------------------------- */

void webhooks_get(struct call *c)
{
    struct webhook_row s;
    if (webhook_row_find(c, &s))
        webhook_row_answer(c, 200, json_incref(s.row), NULL);
    webhook_row_release(&s);
}

/* One row of a page; also remembers its id as where the next page begins. */
static bool add_to_page(json_t *data, const PGresult *res, int i, struct uuid *last)
{
    char text[IDS_TEXT_MAX];
    json_t *row = json_loads(db_text(res, i, 0), 0, NULL);
    bool added = row && webhook_view_id(row, last, text) == 0 &&
                 json_array_append_new(data, webhook_view(row)) == 0;
    json_decref(row);
    return added;
}

void webhooks_list(struct call *c)
{
    struct list l;
    struct uuid last;
    struct db_args a;
    PGresult *res;
    if (!list_begin(c, &l, "created-desc"))
        return;
    bool first = l.cursor_len != sizeof last;
    if (!first)
        memcpy(&last, l.cursor, sizeof last);
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_int(&a, l.limit + 1);
    db_args_uuid(&a, first ? NULL : &last);
    if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_LIST], &a, &res))) {
        int rows = PQntuples(res);
        json_t *data = json_array();
        bool complete = data != NULL;
        for (int i = 0; complete && i < rows && i < l.limit; i++)
            complete = add_to_page(data, res, i, &last);
        PQclear(res);
        if (complete) {
            list_answer(&l, data, rows > l.limit ? &last : NULL, sizeof last);
        } else {
            json_decref(data);
            webhook_row_internal(c, "A webhook cannot be read.");
        }
    }
    list_end(&l);
}

/* --- change --------------------------------------------------------------------------------- */

enum patched { PATCH_ANSWERED, PATCH_AGAIN };

/* The headers as they will be stored; nothing to do when they stay. false: answered. */
static bool merge_headers(struct call *c, const struct webhook_row *s, struct webhook_input *in,
                          struct sealed *out)
{
    struct webhook_place at = webhook_row_place(c, &s->id);
    json_t *stored = NULL;
    if (!in->headers && !in->origin_moved)
        return json_object_set(in->columns, "header_names",
                               json_object_get(s->row, "header_names")) == 0 ||
               webhook_row_internal(c, "Out of memory.");
    if (!in->headers)
        in->headers = json_object(); /* the old values were for the old origin's eyes */
    if (!in->origin_moved && !(stored = webhook_seal_open_headers(&at, s->headers, s->headers_len)))
        return webhook_row_internal(c, "The headers cannot be opened.");
    int kept = webhook_headers_keep(in->headers, stored, c->rs);
    json_decref(stored);
    return kept == 0 && put_headers(c, in, &s->id, out);
}

static bool update(struct call *c, const struct webhook_row *s, const struct webhook_input *in,
                   const struct sealed *sealed, json_t **row)
{
    struct db_args a;
    webhook_row_args(c, &a, &s->id);
    db_args_int(&a, webhook_row_version(s->row));
    db_args_text(&a, sealed->settings);
    db_args_bool(&a, in->headers != NULL);
    db_args_bytes(&a, sealed->headers, sealed->headers_len);
    db_args_bytes(&a, sealed->secret.sealed, sealed->secret.sealed_len);
    db_args_bool(&a, in->tls.client_changes);
    db_args_bytes(&a, sealed->tls, sealed->tls_len);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, s->text);
    db_args_text(&a, sealed->detail);
    db_args_text(&a, c->rq->id);
    return webhook_row_run(c, &fcgi_sql[FCGI_SQL_WEBHOOK_UPDATE], &a, row);
}

/* Everything as it will be stored. Another kind of signature needs another secret; no grace: the old one is no key of it. */
static bool seal_changes(struct call *c, const struct webhook_row *s, struct webhook_input *in,
                         struct sealed *out)
{
    return merge_headers(c, s, in, out) && (!in->signing_moved || put_secret(c, in, &s->id, out)) &&
           put_tls(c, in, &s->id, out) && put_settings(c, in, out);
}

static enum patched patch_stored(struct call *c, const json_t *body, const struct webhook_row *s)
{
    struct webhook_rules rules = rules_of(c);
    struct webhook_input in;
    struct sealed sealed = {0};
    json_t *row = NULL;
    if (webhook_input_read(body, s->row, &rules, c->rs, &in) != 0)
        return PATCH_ANSWERED;
    bool ran = allowed(c, &in, body) && seal_changes(c, s, &in, &sealed) &&
               update(c, s, &in, &sealed, &row);
    if (row) {
        route_wake(c);
        webhook_row_answer(c, 200, row, sealed.secret.text);
    }
    sealed_release(&sealed);
    webhook_input_release(&in);
    return ran && !row ? PATCH_AGAIN : PATCH_ANSWERED;
}

/* Reads, merges, writes if nobody came between. A version in If-Match ends the second round. */
static enum patched patch_once(struct call *c, const json_t *body)
{
    struct webhook_row s;
    enum patched done = PATCH_ANSWERED;
    if (webhook_row_find(c, &s) && route_if_match(c, webhook_row_version(s.row)))
        done = patch_stored(c, body, &s);
    webhook_row_release(&s);
    return done;
}

void webhooks_patch(struct call *c)
{
    enum patched done = PATCH_AGAIN;
    json_t *body = route_body_object(c);
    for (int i = 0; body && done == PATCH_AGAIN && i < PATCH_ROUNDS; i++)
        done = patch_once(c, body);
    if (body && done == PATCH_AGAIN)
        response_problem(c->rs, 409, "busy", "Others keep changing the webhook. Try again.", NULL,
                         0);
    json_decref(body);
}

/* -------------------------------------------------------------------------------------------- */

static const char *const list_query[] = {LIST_QUERY, NULL};

#define OPTIONAL_BODY (ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT)

const struct route webhooks_routes[] = {
    {METHOD_POST, "/v1/webhooks", webhooks_create, SCOPE_WEBHOOKS_WRITE, LIMIT_WEBHOOK_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {METHOD_GET, "/v1/webhooks", webhooks_list, SCOPE_WEBHOOKS_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/webhooks/{}", webhooks_get, SCOPE_WEBHOOKS_READ, 0, 0, NULL},
    {METHOD_PATCH, "/v1/webhooks/{}", webhooks_patch, SCOPE_WEBHOOKS_WRITE,
     LIMIT_WEBHOOK_BODY_BYTES, ROUTE_BODY_JSON, NULL},
    {METHOD_DELETE, "/v1/webhooks/{}", webhook_acts_delete, SCOPE_WEBHOOKS_WRITE, 0, 0, NULL},
    {METHOD_POST, "/v1/webhooks/{}/pause", webhook_acts_pause, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, OPTIONAL_BODY, NULL},
    {METHOD_POST, "/v1/webhooks/{}/resume", webhook_acts_resume, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, OPTIONAL_BODY, NULL},
    {METHOD_POST, "/v1/webhooks/{}/retry-now", webhook_acts_retry_now, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, OPTIONAL_BODY, NULL},
    {METHOD_POST, "/v1/webhooks/{}/rotate-secret", webhook_rotate_post, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, OPTIONAL_BODY, NULL},
    {METHOD_GET, "/v1/webhooks/{}/health", webhook_health_get, SCOPE_WEBHOOKS_READ, 0, 0, NULL},
    {METHOD_POST, "/v1/subscriptions", webhooks_subscriptions, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {0},
};
