/*
 * Keys: /v1/keys for a project's own admin, /v1/projects/{id}/keys for an operator.
 *
 * The text of a key is in one answer and nowhere else: what is kept is its SHA-256 and its first characters. Nobody
 * makes a key that may more than they do. A crash after the COMMIT leaves a key that nobody has read; it can be revoked.
 */
#include <stdio.h>
#include <string.h>

#include "common/password.h"
#include "fcgi/audit.h"
#include "fcgi/fields.h"
#include "fcgi/handlers.h"
#include "fcgi/list.h"
#include "fcgi/projects.h"
#include "fcgi_sql.h"

#define KEY_PREFIX "dlo_"
#define KEY_CHARS 43 /* base62: 256 bits */
#define HINT_CHARS 8
#define NAME_BYTES 200
#define SCOPES_LITERAL 512

struct new_key {
    struct uuid id;
    const char *name;
    char scopes[SCOPES_LITERAL];
    uint32_t bits;
    char text[sizeof KEY_PREFIX + KEY_CHARS];
    char hint[HINT_CHARS + 1];
    unsigned char digest[PASSWORD_DIGEST_BYTES];
};

/* Who may make keys has admin, which is all there is: no key can be wider than its maker. */
static bool read_input(struct call *c, const json_t *body, struct new_key *k)
{
    static const char *const known[] = {"name", "scopes", NULL};
    static const char *const later[] = {"expiresAt", NULL};
    const json_t *scopes;
    char pointer[32];
    size_t bad;
    if (!fields_known(c, body, known, later) ||
        !fields_string_required(c, body, "name", 1, NAME_BYTES, &k->name) ||
        !fields_strings(c, body, "scopes", 16, 32, &scopes))
        return false;
    if (!scopes || json_array_size(scopes) == 0) {
        response_field_problem(c->rs, 400, "missing-field", "/scopes", "scopes is required.");
        return false;
    }
    if (principal_scopes_read(scopes, &k->bits, k->scopes, sizeof k->scopes, &bad) < 0) {
        snprintf(pointer, sizeof pointer, "/scopes/%zu", bad);
        response_field_problem(c->rs, 400, "unknown-scope", pointer, "There is no such scope.");
        return false;
    }
    return true;
}

static bool make_text(struct call *c, struct new_key *k)
{
    char random[KEY_CHARS + 1];
    ids_new(&k->id);
    password_token_base62(random, KEY_CHARS);
    snprintf(k->text, sizeof k->text, KEY_PREFIX "%s", random);
    snprintf(k->hint, sizeof k->hint, "%.*s", HINT_CHARS, k->text);
    if (password_token_digest(k->text, strlen(k->text), k->digest) == 0)
        return true;
    response_problem(c->rs, 500, "internal", "The key could not be hashed.", NULL, 0);
    return false;
}

static void add_args(struct db_args *a, int project_id, const struct new_key *k)
{
    db_args_init(a);
    db_args_int(a, project_id);
    db_args_uuid(a, &k->id);
    db_args_bytes(a, k->digest, sizeof k->digest);
    db_args_text(a, k->hint);
    db_args_text(a, k->name);
    db_args_text(a, k->scopes);
}

static void answer_created(struct call *c, const struct new_key *k, const char *id,
                           const char *created_at)
{
    response_json(c->rs, 201,
                  json_pack("{s:s, s:s, s:o, s:s, s:s, s:s}", "id", id, "name", k->name, "scopes",
                            principal_scope_names(k->bits), "hint", k->hint, "createdAt",
                            created_at, "key", k->text));
    response_secret_member(c->rs, "key");
}

static void insert(struct call *c, int project_id, const struct new_key *k)
{
    struct db_args a;
    PGresult *r;
    char id[IDS_TEXT_MAX];
    ids_format(ID_KEY, &k->id, id);
    add_args(&a, project_id, k);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_KEY_CREATE], &a, &r)))
        return;
    if (PQntuples(r) == 0)
        response_problem(c->rs, 422, "too-many-keys",
                         "A project has at most 1,000 keys. Revoke some.", NULL, 0);
    else if (route_db_ok(c, audit_write(c, project_id, "key.create", id,
                                        json_pack("{s:s, s:o}", "name", k->name, "scopes",
                                                  principal_scope_names(k->bits)))) &&
             route_commit(c))
        answer_created(c, k, id, db_text(r, 0, 0));
    PQclear(r);
}

static void create(struct call *c, int project_id)
{
    struct new_key k;
    json_t *body = route_body_object(c);
    if (body && read_input(c, body, &k) && make_text(c, &k))
        insert(c, project_id, &k);
    json_decref(body);
}

/* key_list: id, name, hint, scopes, created_at, microseconds */
static json_t *row(const PGresult *r, int i, struct list_key *key)
{
    char id[IDS_TEXT_MAX];
    key->created_us = db_int(r, i, 5);
    (void)db_uuid(r, i, 0, &key->id);
    ids_format(ID_KEY, &key->id, id);
    return json_pack("{s:s, s:s, s:s, s:o, s:s}", "id", id, "name", db_text(r, i, 1), "hint",
                     db_text(r, i, 2), "scopes", projects_scopes_json(db_text(r, i, 3)),
                     "createdAt", db_text(r, i, 4));
}

static void answer_list(struct list *l, const PGresult *r)
{
    struct list_key key = {0};
    json_t *data = json_array();
    int n = PQntuples(r) > l->limit ? l->limit : PQntuples(r);
    for (int i = 0; i < n; i++)
        json_array_append_new(data, row(r, i, &key));
    list_answer(l, data, PQntuples(r) > n ? &key : NULL, sizeof key);
}

static void list(struct call *c, int project_id)
{
    struct list l;
    struct list_key key;
    struct db_args a;
    char at[LIST_TIME_MAX];
    PGresult *r;
    if (!list_begin(c, &l, "created-desc"))
        return;
    db_args_init(&a);
    db_args_int(&a, project_id);
    db_args_int(&a, l.limit + 1);
    list_key_args(&l, &a, &key, at);
    if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_KEY_LIST], &a, &r))) {
        answer_list(&l, r);
        PQclear(r);
    }
    list_end(&l);
}

static void revoke(struct call *c, int project_id, const struct uuid *key)
{
    struct db_args a;
    PGresult *r;
    char id[IDS_TEXT_MAX];
    ids_format(ID_KEY, key, id);
    db_args_init(&a);
    db_args_int(&a, project_id);
    db_args_uuid(&a, key);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_KEY_REVOKE], &a, &r)))
        return;
    if (PQntuples(r) == 0)
        route_not_found(c);
    else if (route_db_ok(c, audit_write(c, project_id, "key.revoke", id,
                                        json_pack("{s:s}", "name", db_text(r, 0, 0)))) &&
             route_commit(c))
        response_empty(c->rs, 204);
    principal_forget();
    PQclear(r);
}

void keys_create(struct call *c)
{
    create(c, c->who.project_id);
}

void keys_list(struct call *c)
{
    list(c, c->who.project_id);
}

void keys_revoke(struct call *c)
{
    struct uuid key;
    if (route_id(c, 0, ID_KEY, &key))
        revoke(c, c->who.project_id, &key);
}

void keys_project_create(struct call *c)
{
    int project_id;
    if (projects_find(c, &project_id))
        create(c, project_id);
}

void keys_project_list(struct call *c)
{
    int project_id;
    if (projects_find(c, &project_id))
        list(c, project_id);
}

void keys_project_revoke(struct call *c)
{
    struct uuid key;
    int project_id;
    if (projects_find(c, &project_id) && route_id(c, 1, ID_KEY, &key))
        revoke(c, project_id, &key);
}

static const char *const list_query[] = {LIST_QUERY, NULL};

#define CREATE_FLAGS (ROUTE_BODY_JSON | ROUTE_IDEMPOTENT)
const struct route keys_routes[] = {
    {METHOD_POST, "/v1/keys", keys_create, SCOPE_ADMIN, LIMIT_BODY_BYTES, CREATE_FLAGS, NULL},
    {METHOD_GET, "/v1/keys", keys_list, SCOPE_ADMIN, 0, 0, list_query},
    {METHOD_DELETE, "/v1/keys/{}", keys_revoke, SCOPE_ADMIN, 0, 0, NULL},
    {METHOD_POST, "/v1/projects/{}/keys", keys_project_create, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     CREATE_FLAGS, NULL},
    {METHOD_GET, "/v1/projects/{}/keys", keys_project_list, SCOPE_OPERATOR, 0, 0, list_query},
    {METHOD_DELETE, "/v1/projects/{}/keys/{}", keys_project_revoke, SCOPE_OPERATOR, 0, 0, NULL},
    {0},
};
