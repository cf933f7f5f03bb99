/*
 * Users: the operator's routes. A user is a login and a password; what they may do stands in memberships.
 *
 * Without a password in the request one is made and shown once. Disabling signs out at once (5 s where a process still
 * remembers the session). Must never show a hash.
 */
#include <stdio.h>
#include <string.h>

#include "common/password.h"
#include "fcgi/audit.h"
#include "fcgi/fields.h"
#include "fcgi/handlers.h"
#include "fcgi/list.h"
#include "fcgi/page.h"
#include "fcgi_sql.h"

#define LOGIN_BYTES 200
#define PASSWORD_MIN 10
#define GENERATED_CHARS 26 /* base32, fit to be read aloud: 130 bits */

struct secret {
    const char *password;
    char generated[GENERATED_CHARS + 1];
    char hash[PASSWORD_TEXT_MAX];
};

static bool hash_secret(struct call *c, struct secret *s)
{
    if (!s->password) {
        password_token_base32(s->generated, GENERATED_CHARS);
        s->password = s->generated;
    }
    int most = (int)c->desk->config->desk / 2;
    if (!page_hash_begin(most > 1 ? most : 1)) {
        response_too_many(c->rs, "busy", "Too many passwords are being hashed. Try again.", 1);
        return false;
    }
    int rc = password_hash(s->password, strlen(s->password), s->hash);
    page_hash_end();
    if (rc < 0)
        response_problem(c->rs, 500, "internal", "The password could not be hashed.", NULL, 0);
    return rc == 0;
}

static void show_generated(struct call *c, const struct secret *s)
{
    if (!s->generated[0] || !c->rs->json)
        return;
    json_object_set_new(c->rs->json, "password", json_string(s->generated));
    response_secret_member(c->rs, "password");
}

/* id, login, created_at, disabled_at */
static json_t *user_json(const PGresult *r, int i)
{
    struct uuid uuid;
    char id[IDS_TEXT_MAX];
    (void)db_uuid(r, i, 0, &uuid);
    ids_format(ID_USER, &uuid, id);
    return json_pack("{s:s, s:s, s:s, s:s?}", "id", id, "login", db_text(r, i, 1), "createdAt",
                     db_text(r, i, 2), "disabledAt", db_null(r, i, 3) ? NULL : db_text(r, i, 3));
}

static bool login_ok(struct call *c, const char *login)
{
    for (const char *p = login; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f) {
            response_field_problem(c->rs, 400, "malformed-login", "/login",
                                   "login must not hold spaces or control characters.");
            return false;
        }
    return true;
}

static void insert(struct call *c, const char *login, const struct secret *s)
{
    struct uuid user;
    struct db_args a;
    PGresult *r;
    char id[IDS_TEXT_MAX];
    ids_new(&user);
    ids_format(ID_USER, &user, id);
    db_args_init(&a);
    db_args_uuid(&a, &user);
    db_args_text(&a, login);
    db_args_text(&a, s->hash);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_CREATE], &a, &r)))
        return;
    if (PQntuples(r) == 0) {
        response_field_problem(c->rs, 409, "login-taken", "/login",
                               "A user with this login exists.");
    } else if (route_db_ok(
                   c, audit_write(c, 0, "user.create", id, json_pack("{s:s}", "login", login))) &&
               route_commit(c)) {
        response_json(
            c->rs, 201,
            json_pack("{s:s, s:s, s:s}", "id", id, "login", login, "createdAt", db_text(r, 0, 0)));
        show_generated(c, s);
    }
    PQclear(r);
}

void users_create(struct call *c)
{
    static const char *const known[] = {"login", "password", NULL};
    const char *login;
    struct secret s = {0};
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) &&
        fields_string_required(c, body, "login", 1, LOGIN_BYTES, &login) &&
        fields_string(c, body, "password", PASSWORD_MIN, PASSWORD_BYTES_MAX, &s.password) &&
        login_ok(c, login) && hash_secret(c, &s))
        insert(c, login, &s);
    json_decref(body);
}

static void answer_list(struct list *l, const PGresult *r)
{
    struct list_key key = {0};
    json_t *data = json_array();
    int n = PQntuples(r) > l->limit ? l->limit : PQntuples(r);
    for (int i = 0; i < n; i++)
        json_array_append_new(data, user_json(r, i));
    if (n) {
        key.created_us = db_int(r, n - 1, 4);
        (void)db_uuid(r, n - 1, 0, &key.id);
    }
    list_answer(l, data, PQntuples(r) > n ? &key : NULL, sizeof key);
}

void users_list(struct call *c)
{
    struct list l;
    struct list_key key;
    struct db_args a;
    char at[LIST_TIME_MAX];
    PGresult *r;
    if (!list_begin(c, &l, "created-desc"))
        return;
    db_args_init(&a);
    db_args_int(&a, l.limit + 1);
    list_key_args(&l, &a, &key, at);
    if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_LIST], &a, &r))) {
        answer_list(&l, r);
        PQclear(r);
    }
    list_end(&l);
}

static bool run_by_id(struct call *c, enum fcgi_sql statement, const struct uuid *user,
                      PGresult **r)
{
    struct db_args a;
    db_args_init(&a);
    db_args_uuid(&a, user);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[statement], &a, r)))
        return false;
    if (PQntuples(*r) == 1)
        return true;
    PQclear(*r);
    route_not_found(c);
    return false;
}

void users_get(struct call *c)
{
    struct uuid user;
    PGresult *r;
    if (!route_id(c, 0, ID_USER, &user) || !run_by_id(c, FCGI_SQL_USER_GET, &user, &r))
        return;
    response_json(c->rs, 200, user_json(r, 0));
    PQclear(r);
}

void users_disable(struct call *c)
{
    struct uuid user;
    PGresult *r;
    char id[IDS_TEXT_MAX];
    if (!route_id(c, 0, ID_USER, &user) || !route_begin(c) ||
        !run_by_id(c, FCGI_SQL_USER_DISABLE, &user, &r))
        return;
    ids_format(ID_USER, &user, id);
    if (route_db_ok(c, audit_write(c, 0, "user.disable", id,
                                   json_pack("{s:s}", "login", db_text(r, 0, 0)))) &&
        route_commit(c))
        response_empty(c->rs, 204);
    principal_forget();
    PQclear(r);
}

static void set_password(struct call *c, const struct uuid *user, const struct secret *s)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_uuid(&a, user);
    db_args_text(&a, s->hash);
    db_args_text(&a, NULL);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_SET_PASSWORD], &a, &r)))
        return;
    if (PQntuples(r) == 0) {
        route_not_found(c);
    } else {
        response_json(c->rs, 200, json_pack("{s:s}", "login", db_text(r, 0, 0)));
        show_generated(c, s);
    }
    principal_forget();
    PQclear(r);
}

void users_password(struct call *c)
{
    static const char *const known[] = {"password", NULL};
    struct secret s = {0};
    struct uuid user;
    json_t *body = route_id(c, 0, ID_USER, &user) ? route_body_object(c) : NULL;
    if (body && fields_known(c, body, known, NULL) &&
        fields_string(c, body, "password", PASSWORD_MIN, PASSWORD_BYTES_MAX, &s.password) &&
        hash_secret(c, &s))
        set_password(c, &user, &s);
    json_decref(body);
}

static const char *const list_query[] = {LIST_QUERY, NULL};

const struct route users_routes[] = {
    {METHOD_POST, "/v1/users", users_create, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_IDEMPOTENT | ROUTE_SLOW, NULL},
    {METHOD_GET, "/v1/users", users_list, SCOPE_OPERATOR, 0, 0, list_query},
    {METHOD_GET, "/v1/users/{}", users_get, SCOPE_OPERATOR, 0, 0, NULL},
    {METHOD_DELETE, "/v1/users/{}", users_disable, SCOPE_OPERATOR, 0, 0, NULL},
    {METHOD_POST, "/v1/users/{}/password", users_password, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT | ROUTE_SLOW, NULL},
    {0},
};
