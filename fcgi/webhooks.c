/*
 * Webhooks: where events are sent. Owns the routes below /v1/webhooks and seed 003's alias of
 * creation.
 *
 * Each write is one statement that also writes its audit row; creation and retry-now are one
 * transaction. The senders learn of a change from the row itself (changed_xid); route_wake only
 * makes it sooner. A crash leaves either all of an act or nothing of it; after a DELETE it
 * may leave retries at their old time, and the sender dead-letters those when they come.
 *
 * It must never look a name up, send a request, or show a secret a second time.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "fcgi/list.h"
#include "fcgi/webhook_headers.h"
#include "fcgi/webhook_input.h"
#include "fcgi/webhook_seal.h"
#include "fcgi/webhook_view.h"
#include "fcgi_sql.h"

#define GRACE_DEFAULT_S 86400
#define GRACE_MAX_S (7 * 86400)
#define RELEASE_ROWS 10000 /* rows one statement moves: about 0.2 s */
#define RELEASE_ROUNDS 50  /* of a DELETE; the rest goes at its own time */
#define PATCH_ROUNDS 5     /* with If-Match: * against other writers */

/* A webhook as the database has it now. */
struct stored {
    json_t *row;
    struct uuid id;
    char text[IDS_TEXT_MAX];
    unsigned char *headers; /* sealed */
    size_t headers_len;
};

static void stored_release(struct stored *s)
{
    json_decref(s->row);
    PQfreemem(s->headers);
    memset(s, 0, sizeof *s);
}

static bool internal(struct call *c, const char *detail)
{
    response_problem(c->rs, 500, "internal", detail, NULL, 0);
    return false;
}

static struct webhook_place place_of(const struct call *c, const struct uuid *id)
{
    return (struct webhook_place){c->desk->keyring, *id, c->who.project_id};
}

/* The first column of the first row, as JSON; NULL if there is no row. Frees the result. */
static json_t *take_row(PGresult *res)
{
    json_t *row = PQntuples(res) > 0 ? json_loads(db_text(res, 0, 0), 0, NULL) : NULL;
    PQclear(res);
    return row;
}

/* Answers with a webhook. Takes the reference to the row; secret NULL: not shown. */
static void answer(struct call *c, int status, json_t *row, const char *secret)
{
    json_t *view = webhook_view(row);
    if (view && secret) {
        json_object_set_new(view, "secret", json_string(secret));
        response_secret_member(c->rs, "secret");
    }
    response_version(c->rs, json_integer_value(json_object_get(row, "version")));
    json_decref(row);
    response_json(c->rs, status, view);
}

/* Runs a statement that gives the row as JSON. false: answered. *row NULL: no row came. */
static bool run_for_row(struct call *c, const struct sql_statement *s, const struct db_args *a,
                        json_t **row)
{
    PGresult *res;
    *row = NULL;
    if (!route_db_ok(c, db_run(c->desk->db, s, a, &res)))
        return false;
    bool came = PQntuples(res) > 0;
    *row = take_row(res);
    return !came || *row || internal(c, "The webhook cannot be read.");
}

static void add_id(struct call *c, struct db_args *a, const struct uuid *id)
{
    db_args_init(a);
    db_args_int(a, c->who.project_id);
    db_args_uuid(a, id);
}

/* --- create --------------------------------------------------------------------------------- */

/* What goes into the database besides the settings. */
struct sealed {
    char *settings; /* JSON text */
    char *detail;   /* for the audit */
    unsigned char *headers, *secret;
    size_t headers_len, secret_len;
};

static void sealed_release(struct sealed *s)
{
    free(s->settings);
    free(s->detail);
    free(s->headers);
    free(s->secret);
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
    return (out->settings && out->detail) || internal(c, "Out of memory.");
}

static bool put_headers(struct call *c, struct webhook_input *in, const struct uuid *id,
                        struct sealed *out)
{
    struct webhook_place at = place_of(c, id);
    json_t *names = webhook_headers_names(in->headers);
    if (json_object_set_new(in->columns, "header_names", names) == 0 &&
        webhook_seal_headers(&at, in->headers, &out->headers, &out->headers_len) == 0)
        return true;
    return internal(c, "The headers cannot be sealed.");
}

/* The key that was sent, or a new one; `text` is for the one answer that shows it. */
static bool put_secret(struct call *c, unsigned char key[SIGNING_KEY_MAX], size_t *keylen,
                       const struct uuid *id, struct sealed *out, char text[SIGNING_SECRET_TEXT])
{
    struct webhook_place at = place_of(c, id);
    if (*keylen == 0 && signing_secret_new(key, keylen, text) != 0)
        return internal(c, "No secret can be made.");
    signing_secret_text(key, *keylen, text);
    return webhook_seal_secret(&at, key, *keylen, &out->secret, &out->secret_len) == 0 ||
           internal(c, "The secret cannot be sealed.");
}

static bool insert(struct call *c, const struct uuid *id, const struct sealed *s, json_t **row)
{
    char text[IDS_TEXT_MAX];
    struct db_args a;
    ids_format(ID_WEBHOOK, id, text);
    add_id(c, &a, id);
    db_args_int(&a, id->b[15] % LIMIT_SHARDS);
    db_args_text(&a, s->settings);
    db_args_bytes(&a, s->headers, s->headers_len);
    db_args_bytes(&a, s->secret, s->secret_len);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, text);
    db_args_text(&a, s->detail);
    db_args_text(&a, c->rq->id);
    return run_for_row(c, &fcgi_sql[FCGI_SQL_WEBHOOK_INSERT], &a, row);
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

static void create(struct call *c, const json_t *body, bool subscription)
{
    struct webhook_rules rules = {c->who.retention_s, &c->desk->allow, subscription};
    struct webhook_input in;
    struct sealed sealed = {0};
    struct uuid id;
    char secret[SIGNING_SECRET_TEXT], path[64], text[IDS_TEXT_MAX];
    json_t *row = NULL;

    if (webhook_input_read(body, NULL, &rules, c->rs, &in) != 0)
        return;
    ids_new(&id);
    if (put_headers(c, &in, &id, &sealed) &&
        put_secret(c, in.key, &in.keylen, &id, &sealed, secret) && put_settings(c, &in, &sealed))
        row = insert_within_plan(c, &id, &sealed);
    if (row) {
        ids_format(ID_WEBHOOK, &id, text);
        snprintf(path, sizeof path, "/v1/webhooks/%s", text);
        response_location(c->rs, c->desk->config->public_url, path);
        route_wake(c);
        answer(c, 201, row, secret);
    }
    seal_wipe(secret, sizeof secret);
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
        webhook_input_pointer(parent ? parent : name, parent ? name : NULL, pointer,
                              sizeof pointer);
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
    webhook_input_pointer(name, NULL, pointer, sizeof pointer);
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
            internal(c, "Out of memory.");
        json_decref(webhook);
    }
    json_decref(body);
}

/* --- read ----------------------------------------------------------------------------------- */

/* Finds the webhook of the path. false: answered. The caller releases. */
static bool find(struct call *c, struct stored *out)
{
    PGresult *res;
    struct db_args a;
    memset(out, 0, sizeof *out);
    if (!route_id(c, 0, ID_WEBHOOK, &out->id))
        return false;
    add_id(c, &a, &out->id);
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
    return out->row || internal(c, "The webhook cannot be read.");
}

void webhooks_get(struct call *c)
{
    struct stored s;
    if (find(c, &s))
        answer(c, 200, json_incref(s.row), NULL);
    stored_release(&s);
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
            internal(c, "A webhook cannot be read.");
        }
    }
    list_end(&l);
}

/* --- change --------------------------------------------------------------------------------- */

enum patched { PATCHED, PATCH_ANSWERED, PATCH_AGAIN };

/* The headers as they will be stored; nothing to do when they stay. false: answered. */
static bool merge_headers(struct call *c, const struct stored *s, struct webhook_input *in,
                          struct sealed *out)
{
    struct webhook_place at = place_of(c, &s->id);
    json_t *stored = NULL;
    if (!in->headers && !in->origin_moved)
        return json_object_set(in->columns, "header_names",
                               json_object_get(s->row, "header_names")) == 0 ||
               internal(c, "Out of memory.");
    if (!in->headers)
        in->headers = json_object(); /* the old values were for the old origin's eyes */
    if (!in->origin_moved && !(stored = webhook_seal_open_headers(&at, s->headers, s->headers_len)))
        return internal(c, "The headers cannot be opened.");
    int kept = webhook_headers_keep(in->headers, stored, c->rs);
    json_decref(stored);
    return kept == 0 && put_headers(c, in, &s->id, out);
}

static bool update(struct call *c, const struct stored *s, const struct webhook_input *in,
                   const struct sealed *sealed, json_t **row)
{
    struct db_args a;
    add_id(c, &a, &s->id);
    db_args_int(&a, json_integer_value(json_object_get(s->row, "version")));
    db_args_text(&a, sealed->settings);
    db_args_bool(&a, in->headers != NULL);
    db_args_bytes(&a, sealed->headers, sealed->headers_len);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, s->text);
    db_args_text(&a, sealed->detail);
    db_args_text(&a, c->rq->id);
    return run_for_row(c, &fcgi_sql[FCGI_SQL_WEBHOOK_UPDATE], &a, row);
}

static enum patched patch_stored(struct call *c, const json_t *body, const struct stored *s,
                                 json_t **row)
{
    struct webhook_rules rules = {c->who.retention_s, &c->desk->allow, false};
    struct webhook_input in;
    struct sealed sealed = {0};
    if (webhook_input_read(body, s->row, &rules, c->rs, &in) != 0)
        return PATCH_ANSWERED;
    bool ran = merge_headers(c, s, &in, &sealed) && put_settings(c, &in, &sealed) &&
               update(c, s, &in, &sealed, row);
    sealed_release(&sealed);
    webhook_input_release(&in);
    return !ran ? PATCH_ANSWERED : *row ? PATCHED : PATCH_AGAIN;
}

/* Reads, merges, writes if nobody came between. A version in If-Match ends the second round. */
static enum patched patch_once(struct call *c, const json_t *body, json_t **row)
{
    struct stored s;
    enum patched done = PATCH_ANSWERED;
    if (find(c, &s) && route_if_match(c, json_integer_value(json_object_get(s.row, "version"))))
        done = patch_stored(c, body, &s, row);
    stored_release(&s);
    return done;
}

void webhooks_patch(struct call *c)
{
    json_t *row = NULL;
    enum patched done = PATCH_AGAIN;
    json_t *body = route_body_object(c);
    for (int i = 0; body && done == PATCH_AGAIN && i < PATCH_ROUNDS; i++)
        done = patch_once(c, body, &row);
    if (row) {
        route_wake(c);
        answer(c, 200, row, NULL);
    } else if (body && done == PATCH_AGAIN) {
        response_problem(c->rs, 409, "busy", "Others keep changing the webhook. Try again.", NULL,
                         0);
    }
    json_decref(body);
}

static bool no_field(const char *name)
{
    (void)name;
    return false;
}

/* An act without settings: a body is not needed, and one that says something is refused. */
static bool body_says_nothing(struct call *c)
{
    json_t *body = route_body_object(c);
    bool ok = body && only_members(c, body, NULL, no_field);
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
    add_id(c, &a, &id);
    db_args_bool(&a, paused);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, paused ? "webhook.pause" : "webhook.resume");
    db_args_text(&a, text);
    db_args_text(&a, c->rq->id);
    if (!run_for_row(c, &fcgi_sql[FCGI_SQL_WEBHOOK_PAUSE], &a, &row))
        return;
    if (!row) {
        route_not_found(c);
        return;
    }
    route_wake(c);
    answer(c, 200, row, NULL);
}

void webhooks_pause(struct call *c)
{
    set_paused(c, true);
}

void webhooks_resume(struct call *c)
{
    set_paused(c, false);
}

/* --- what waits ----------------------------------------------------------------------------- */

/* Runs a statement that marks the webhook and audits it. false: answered (404 if there is none). */
static bool mark(struct call *c, const struct sql_statement *s, const struct uuid *id)
{
    PGresult *res;
    struct db_args a;
    char text[IDS_TEXT_MAX];
    ids_format(ID_WEBHOOK, id, text);
    add_id(c, &a, id);
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
    add_id(c, &a, id);
    db_args_int(&a, RELEASE_ROWS);
    enum db_status s = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_RELEASE], &a, &res);
    if (s == DB_OK) {
        *moved = db_int(res, 0, 0);
        PQclear(res);
    }
    return s;
}

/* The act is done with the first statement: trouble while moving rows is not the caller's. */
void webhooks_delete(struct call *c)
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

void webhooks_retry_now(struct call *c)
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

/* --- rotate-secret -------------------------------------------------------------------------- */

struct rotation {
    int64_t grace_s;
    size_t keylen;
    unsigned char key[SIGNING_KEY_MAX];
};

static bool is_rotation_field(const char *name)
{
    return strcmp(name, "secret") == 0 || strcmp(name, "graceSeconds") == 0;
}

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

static bool read_new_secret(struct call *c, const json_t *value, struct rotation *out)
{
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value)) {
        response_field_problem(c->rs, 400, "wrong-type", "/secret", "secret must be a string.");
        return false;
    }
    if (signing_secret_parse(json_string_value(value), json_string_length(value), out->key,
                             &out->keylen) == 0)
        return true;
    response_field_problem(c->rs, 422, "invalid-secret", "/secret",
                           "The secret must be whsec_ and the base64 of 24 to 64 bytes.");
    return false;
}

static bool read_rotation(struct call *c, struct rotation *out)
{
    json_t *body = route_body_object(c);
    memset(out, 0, sizeof *out);
    bool ok = body && only_members(c, body, NULL, is_rotation_field) &&
              read_grace(c, json_object_get(body, "graceSeconds"), out) &&
              read_new_secret(c, json_object_get(body, "secret"), out);
    json_decref(body);
    return ok;
}

static bool rotate(struct call *c, const struct uuid *id, const struct sealed *sealed,
                   int64_t grace_s, json_t **row)
{
    struct db_args a;
    char text[IDS_TEXT_MAX], detail[48];
    ids_format(ID_WEBHOOK, id, text);
    snprintf(detail, sizeof detail, "{\"graceSeconds\":%lld}", (long long)grace_s);
    add_id(c, &a, id);
    db_args_bytes(&a, sealed->secret, sealed->secret_len);
    db_args_int(&a, grace_s);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, text);
    db_args_text(&a, detail);
    db_args_text(&a, c->rq->id);
    return run_for_row(c, &fcgi_sql[FCGI_SQL_WEBHOOK_ROTATE], &a, row);
}

void webhooks_rotate_secret(struct call *c)
{
    struct uuid id;
    struct rotation wanted;
    struct sealed sealed = {0};
    char secret[SIGNING_SECRET_TEXT];
    json_t *row = NULL;
    if (!route_id(c, 0, ID_WEBHOOK, &id) || !read_rotation(c, &wanted))
        return;
    if (put_secret(c, wanted.key, &wanted.keylen, &id, &sealed, secret) &&
        rotate(c, &id, &sealed, wanted.grace_s, &row)) {
        if (row) {
            route_wake(c);
            answer(c, 200, row, secret);
        } else {
            route_not_found(c);
        }
    }
    seal_wipe(secret, sizeof secret);
    seal_wipe(&wanted, sizeof wanted);
    sealed_release(&sealed);
}

/* -------------------------------------------------------------------------------------------- */

static const char *const list_query[] = {LIST_QUERY, NULL};

#define OPTIONAL_BODY (ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT)

const struct route webhooks_routes[] = {
    {METHOD_POST, "/v1/webhooks", webhooks_create, SCOPE_WEBHOOKS_WRITE, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {METHOD_GET, "/v1/webhooks", webhooks_list, SCOPE_WEBHOOKS_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/webhooks/{}", webhooks_get, SCOPE_WEBHOOKS_READ, 0, 0, NULL},
    {METHOD_PATCH, "/v1/webhooks/{}", webhooks_patch, SCOPE_WEBHOOKS_WRITE, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_DELETE, "/v1/webhooks/{}", webhooks_delete, SCOPE_WEBHOOKS_WRITE, 0, 0, NULL},
    {METHOD_POST, "/v1/webhooks/{}/pause", webhooks_pause, SCOPE_WEBHOOKS_WRITE, LIMIT_BODY_BYTES,
     OPTIONAL_BODY, NULL},
    {METHOD_POST, "/v1/webhooks/{}/resume", webhooks_resume, SCOPE_WEBHOOKS_WRITE, LIMIT_BODY_BYTES,
     OPTIONAL_BODY, NULL},
    {METHOD_POST, "/v1/webhooks/{}/retry-now", webhooks_retry_now, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, OPTIONAL_BODY, NULL},
    {METHOD_POST, "/v1/webhooks/{}/rotate-secret", webhooks_rotate_secret, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, OPTIONAL_BODY, NULL},
    {METHOD_GET, "/v1/webhooks/{}/health", webhook_health_get, SCOPE_WEBHOOKS_READ, 0, 0, NULL},
    {METHOD_POST, "/v1/subscriptions", webhooks_subscriptions, SCOPE_WEBHOOKS_WRITE,
     LIMIT_BODY_BYTES, ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {0},
};
