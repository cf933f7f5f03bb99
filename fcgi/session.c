/*
 * Sign-in: /v1/session and the user's own password.
 *
 * A session is 256 random bits in a cookie, kept as SHA-256, for twelve hours from sign-in. Scrypt runs in at most half
 * of the desk at once, so that guessing cannot starve the rest; a login has five failures in fifteen minutes. An unknown
 * login costs the same time as a wrong password. Must never log or store a password or a token. A crash between check
 * and answer leaves a session that nobody holds, until it expires.
 */
#include <stdio.h>
#include <string.h>

#include "common/password.h"
#include "fcgi/fields.h"
#include "fcgi/handlers.h"
#include "fcgi/page.h"
#include "fcgi/projects.h"
#include "fcgi_sql.h"

#define LOGIN_BYTES 200
#define PASSWORD_MIN 10
#define TOKEN_CHARS 43
#define SESSION_S 43200
#define COOKIE "dlo_session"

/* A hash of nobody's password, with today's parameters: what an unknown login is checked against. */
static const char dummy_hash[] =
    "$scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0c2FsdA$MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA";

struct sign_in {
    const char *login, *password;
    struct uuid user;
    char actor[IDS_TEXT_MAX];
    char token[TOKEN_CHARS + 1], csrf[TOKEN_CHARS + 1];
    unsigned char digest[PASSWORD_DIGEST_BYTES];
};

static bool may_hash(struct call *c)
{
    int most = (int)c->desk->config->desk / 2;
    if (page_hash_begin(most > 1 ? most : 1))
        return true;
    response_too_many(c->rs, "busy", "Too many sign-ins at once. Try again.", 1);
    return false;
}

static void set_cookie(struct call *c, const char *token, int max_age_s)
{
    char cookie[160];
    bool https = strncmp(c->desk->config->public_url, "https:", 6) == 0;
    snprintf(cookie, sizeof cookie, COOKIE "=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
             token, max_age_s, https ? "; Secure" : "");
    response_header(c->rs, "Set-Cookie", cookie);
}

/* user_projects: public_id, name, plan, scopes */
static json_t *projects_of(struct call *c, const struct uuid *user)
{
    struct db_args a;
    struct uuid uuid;
    PGresult *r;
    char id[IDS_TEXT_MAX];
    db_args_init(&a);
    db_args_uuid(&a, user);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_PROJECTS], &a, &r)))
        return NULL;
    json_t *list = json_array();
    for (int i = 0; i < PQntuples(r); i++) {
        (void)db_uuid(r, i, 0, &uuid);
        ids_format(ID_PROJECT, &uuid, id);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "id", id, "name",
                                              db_text(r, i, 1), "plan", db_text(r, i, 2), "scopes",
                                              projects_scopes_json(db_text(r, i, 3))));
    }
    PQclear(r);
    return list;
}

static void answer(struct call *c, int status, const struct uuid *user, const char *login,
                   const char *csrf, const char *expires_at)
{
    char id[IDS_TEXT_MAX];
    json_t *projects = projects_of(c, user);
    if (!projects)
        return;
    ids_format(ID_USER, user, id);
    response_json(c->rs, status,
                  json_pack("{s:{s:s, s:s}, s:o, s:s, s:s}", "user", "id", id, "login", login,
                            "projects", projects, "csrfToken", csrf, "expiresAt", expires_at));
}

/* --- signing in ----------------------------------------------------------------------------------------------------- */

static void rehash(struct call *c, const struct sign_in *in, const char *old)
{
    char fresh[PASSWORD_TEXT_MAX];
    struct db_args a;
    PGresult *r;
    if (password_hash(in->password, strlen(in->password), fresh) < 0)
        return;
    db_args_init(&a);
    db_args_uuid(&a, &in->user);
    db_args_text(&a, old);
    db_args_text(&a, fresh);
    (void)db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_REHASH], &a, &r);
    PQclear(r);
}

/* sign_in_begin: refused, seconds to wait, user id, hash. False: answered. */
static bool check(struct call *c, struct sign_in *in, const PGresult *r)
{
    if (db_bool(r, 0, 0)) {
        response_too_many(c->rs, "too-many-failures", "Too many failed sign-ins for this login.",
                          (int)db_int(r, 0, 1) + 1);
        return false;
    }
    bool known = db_uuid(r, 0, 2, &in->user) == 0;
    enum password_result result =
        password_verify(known ? db_text(r, 0, 3) : dummy_hash, in->password, strlen(in->password));
    if (known && result == PASSWORD_REHASH)
        rehash(c, in, db_text(r, 0, 3));
    if (known && (result == PASSWORD_OK || result == PASSWORD_REHASH))
        return true;
    response_header(c->rs, "WWW-Authenticate",
                    "Bearer"); /* RFC 9110 wants one; no browser opens a dialog for this */
    response_problem(c->rs, 401, "sign-in-failed", "The login or the password is wrong.", NULL, 0);
    return false;
}

static bool verify(struct call *c, struct sign_in *in)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_text(&a, in->login);
    if (!may_hash(c))
        return false;
    bool ok = route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_SIGN_IN_BEGIN], &a, &r));
    if (ok)
        ok = check(c, in, r);
    page_hash_end();
    PQclear(r);
    return ok;
}

static void open_session(struct call *c, struct sign_in *in)
{
    struct db_args a;
    PGresult *r;
    password_token_base62(in->token, TOKEN_CHARS);
    password_token_base62(in->csrf, TOKEN_CHARS);
    if (password_token_digest(in->token, TOKEN_CHARS, in->digest) < 0) {
        response_problem(c->rs, 500, "internal", "The session could not be made.", NULL, 0);
        return;
    }
    ids_format(ID_USER, &in->user, in->actor);
    db_args_init(&a);
    db_args_uuid(&a, &in->user);
    db_args_bytes(&a, in->digest, sizeof in->digest);
    db_args_text(&a, in->csrf);
    db_args_text(&a, in->login);
    db_args_text(&a, in->actor);
    db_args_text(&a, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_SESSION_CREATE], &a, &r)))
        return;
    answer(c, 201, &in->user, in->login, in->csrf, db_text(r, 0, 0));
    if (c->rs->status == 201)
        set_cookie(c, in->token, SESSION_S);
    PQclear(r);
}

void session_create(struct call *c)
{
    static const char *const known[] = {"login", "password", NULL};
    struct sign_in in = {0};
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) &&
        fields_string_required(c, body, "login", 1, LOGIN_BYTES, &in.login) &&
        fields_string_required(c, body, "password", 1, PASSWORD_BYTES_MAX, &in.password) &&
        verify(c, &in))
        open_session(c, &in);
    json_decref(body);
}

/* --- being signed in ------------------------------------------------------------------------------------------------ */

void session_get(struct call *c)
{
    struct db_args a;
    struct uuid user;
    PGresult *r;
    db_args_init(&a);
    db_args_bytes(&a, c->who.token, sizeof c->who.token);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_SESSION_GET], &a, &r)))
        return;
    if (db_uuid(r, 0, 0, &user) == 0)
        answer(c, 200, &user, db_text(r, 0, 1), db_text(r, 0, 2), db_text(r, 0, 3));
    else
        response_problem(c->rs, 401, "unauthenticated", "The session has ended. Sign in again.",
                         NULL, 0);
    PQclear(r);
}

void session_delete(struct call *c)
{
    struct db_args a;
    PGresult *r;
    const char *all = request_query(c->rq, "all");
    if (all && strcmp(all, "true") != 0 && strcmp(all, "false") != 0) {
        response_field_problem(c->rs, 400, "bad-filter", "?all", "all must be true or false.");
        return;
    }
    bool every = all && strcmp(all, "true") == 0;
    db_args_init(&a);
    db_args_uuid(&a, &c->who.id);
    db_args_bytes(&a, every ? NULL : c->who.token, sizeof c->who.token);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_SESSION_DELETE], &a, &r)))
        return;
    PQclear(r);
    principal_forget();
    set_cookie(c, "", 0);
    response_empty(c->rs, 204);
}

/* user_hash: login, hash. The current password counts as a sign-in, so that a stolen session cannot guess it. */
static bool current_ok(struct call *c, const char *password)
{
    struct sign_in in = {.password = password};
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_uuid(&a, &c->who.id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_HASH], &a, &r)))
        return false;
    in.login = db_text(r, 0, 0);
    bool ok = PQntuples(r) == 1 && verify(c, &in);
    if (!ok && c->rs->status == 401) /* signed in, but that is not the password */
        response_field_problem(c->rs, 422, "wrong-password", "/currentPassword",
                               "This is not the current password.");
    PQclear(r);
    return ok;
}

static void change_password(struct call *c, const char *password)
{
    char hash[PASSWORD_TEXT_MAX];
    struct db_args a;
    PGresult *r;
    if (!may_hash(c))
        return;
    int rc = password_hash(password, strlen(password), hash);
    page_hash_end();
    if (rc < 0) {
        response_problem(c->rs, 500, "internal", "The password could not be hashed.", NULL, 0);
        return;
    }
    db_args_init(&a);
    db_args_uuid(&a, &c->who.id);
    db_args_text(&a, hash);
    db_args_bytes(&a, c->who.token, sizeof c->who.token);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_USER_SET_PASSWORD], &a, &r)))
        return;
    PQclear(r);
    principal_forget();
    response_empty(c->rs, 204);
}

void session_password(struct call *c)
{
    static const char *const known[] = {"currentPassword", "newPassword", NULL};
    const char *current, *fresh;
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) &&
        fields_string_required(c, body, "currentPassword", 1, PASSWORD_BYTES_MAX, &current) &&
        fields_string_required(c, body, "newPassword", PASSWORD_MIN, PASSWORD_BYTES_MAX, &fresh) &&
        current_ok(c, current))
        change_password(c, fresh);
    json_decref(body);
}

static const char *const delete_query[] = {"all", NULL};

const struct route session_routes[] = {
    {METHOD_POST, "/v1/session", session_create, SCOPE_NONE, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_SLOW, NULL},
    {METHOD_GET, "/v1/session", session_get, SCOPE_SIGNED_IN, 0, 0, NULL},
    {METHOD_DELETE, "/v1/session", session_delete, SCOPE_SIGNED_IN, 0, 0, delete_query},
    {METHOD_PUT, "/v1/session/password", session_password, SCOPE_SIGNED_IN, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_SLOW, NULL},
    {0},
};
