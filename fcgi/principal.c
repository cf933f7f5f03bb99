/*
 * See principal.h. Owns the process's small cache of who holds which key or session. Must never log a key, and never
 * take an identity from anything but Authorization, X-Dlo-Key and the session cookie. A crash forgets the cache.
 */
#include "fcgi/principal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "common/password.h"
#include "fcgi/route.h"
#include "fcgi_sql.h"

#define CACHE_SLOTS 64
#define CACHE_MS 5000
#define PROJECT_KEY_PREFIX "dlo_"
#define OPERATOR_KEY_PREFIX "dlo_op_"
#define TOKEN_CHARS 43
#define SESSION_COOKIE "dlo_session="

static const struct uuid none; /* all zero: no project was named */

static const char *const scope_names[] = {
    "events:write", "events:read", "webhooks:read",   "webhooks:write", "dlq:read",
    "dlq:payload",  "dlq:replay",  "dlq:replay.bulk", "dlq:edit",       "dlq:discard",
    "dlq:purge",    "dlq:export",  "alerts:read",     "alerts:write",   "audit:read",
    "admin",        "operator",    "signed-in",       "identified",     "project",
};
#define NSCOPES (sizeof scope_names / sizeof *scope_names)
#define NGRANTABLE 16u /* events:write .. admin */

bool principal_may(const struct principal *p, enum scope scope)
{
    return (p->scopes & (uint32_t)scope) == (uint32_t)scope;
}

const char *principal_scope_name(enum scope scope)
{
    for (size_t i = 0; i < NSCOPES; i++)
        if ((uint32_t)scope == UINT32_C(1) << i)
            return scope_names[i];
    return "none";
}

int principal_scope_parse(const char *name, uint32_t *bits)
{
    for (size_t i = 0; i < NGRANTABLE; i++)
        if (strcmp(name, scope_names[i]) == 0) {
            *bits |= UINT32_C(1) << i;
            return 0;
        }
    return -1;
}

json_t *principal_scope_names(uint32_t bits)
{
    json_t *names = json_array();
    if (bits & SCOPE_ADMIN)
        bits = SCOPE_ADMIN;
    for (size_t i = 0; i < NGRANTABLE; i++)
        if (bits & UINT32_C(1) << i)
            json_array_append_new(names, json_string(scope_names[i]));
    return names;
}

int principal_scopes_read(const json_t *names, uint32_t *bits, char *literal, size_t cap,
                          size_t *bad)
{
    struct buf out;
    *bits = 0;
    *bad = 0;
    buf_init(&out, cap - 1);
    buf_add_char(&out, '{');
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name || principal_scope_parse(name, bits) < 0) {
            *bad = i;
            buf_release(&out);
            return -1;
        }
        buf_printf(&out, "%s%s", i ? "," : "", name);
    }
    buf_add_char(&out, '}');
    int rc = out.failed ? -1 : 0;
    if (rc == 0)
        snprintf(literal, cap, "%s", out.data);
    buf_release(&out);
    return rc;
}

/* --- the cache ------------------------------------------------------------------------------------------------------ */

struct cached {
    int64_t until_ms; /* 0: free */
    unsigned char digest[PASSWORD_DIGEST_BYTES];
    struct uuid asked; /* the project a user named; zero for none */
    struct principal who;
};
static struct cached cache[CACHE_SLOTS];

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct cached *slot_of(const unsigned char *digest, const struct uuid *asked)
{
    return &cache[(digest[0] ^ asked->b[15]) % CACHE_SLOTS];
}

static bool cache_get(const unsigned char *digest, const struct uuid *asked, struct principal *who)
{
    const struct cached *e = slot_of(digest, asked);
    if (e->until_ms <= now_ms() || CRYPTO_memcmp(e->digest, digest, sizeof e->digest) != 0 ||
        memcmp(&e->asked, asked, sizeof *asked) != 0)
        return false;
    *who = e->who;
    return true;
}

static void cache_put(const unsigned char *digest, const struct uuid *asked,
                      const struct principal *who)
{
    struct cached *e = slot_of(digest, asked);
    e->until_ms = now_ms() + CACHE_MS;
    memcpy(e->digest, digest, sizeof e->digest);
    e->asked = *asked;
    e->who = *who;
}

void principal_forget(void)
{
    memset(cache, 0, sizeof cache);
}

/* --- credentials ---------------------------------------------------------------------------------------------------- */

static bool token_ok(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return n == TOKEN_CHARS && s[n] == '\0';
}

static const char *bearer(const struct request *rq)
{
    const char *header = request_header(rq, "HTTP_AUTHORIZATION");
    if (!header || !*header)
        header =
            request_header(rq, "REDIRECT_HTTP_AUTHORIZATION"); /* Apache; a client cannot set it */
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    header += 7;
    return header + strspn(header, " ");
}

static const char *key_of(const struct request *rq)
{
    const char *key = bearer(rq);
    return key ? key : request_header(rq, "HTTP_X_DLO_KEY");
}

/* The session's token out of the Cookie header (RFC 6265 section 5.4). False: none, or not one of ours. */
static bool session_of(const struct request *rq, char token[TOKEN_CHARS + 1])
{
    const char *p = request_header(rq, "HTTP_COOKIE");
    while (p) {
        p += strspn(p, " ");
        if (strncmp(p, SESSION_COOKIE, strlen(SESSION_COOKIE)) == 0) {
            p += strlen(SESSION_COOKIE);
            snprintf(token, TOKEN_CHARS + 1, "%s", p);
            return strspn(p, " ;") == 0 && strcspn(p, "; ") == TOKEN_CHARS && token_ok(token);
        }
        p = strchr(p, ';');
        if (p)
            p++;
    }
    return false;
}

/* --- answers -------------------------------------------------------------------------------------------------------- */

static bool unauthenticated(struct call *c, const char *detail)
{
    response_header(c->rs, "WWW-Authenticate", "Bearer");
    response_problem(c->rs, 401, "unauthenticated", detail, NULL, 0);
    return false;
}

static bool foreign_project(struct call *c)
{
    response_problem(c->rs, 403, "project-forbidden", "Dlo-Project names no project you belong to.",
                     NULL, 0);
    return false;
}

bool principal_refuse(struct call *c, enum scope scope)
{
    response_problem(c->rs, 403, "forbidden",
                     "This needs a scope that the key or membership does not have.", NULL, 0);
    json_object_set_new(c->rs->json, "requiredScope", json_string(principal_scope_name(scope)));
    return false;
}

/* --- from credential to principal ----------------------------------------------------------------------------------- */

static void take_project(struct principal *who, const PGresult *r, int col)
{
    who->project_id = (int)db_int(r, 0, col);
    if (db_uuid(r, 0, col + 1, &who->project) < 0)
        who->project_id = 0;
    who->retention_s = db_int(r, 0, col + 2);
    who->max_payload_bytes = db_int(r, 0, col + 3);
}

/* Space-separated names as the statements give them. */
static uint32_t bits_of(const char *names)
{
    uint32_t bits = 0;
    char name[32];
    while (*names) {
        size_t n = strcspn(names, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, names);
        if (principal_scope_parse(name, &bits) < 0)
            bits |= 0; /* a scope of a later version: it grants nothing here */
        names += n + (names[n] == ' ');
    }
    return bits & SCOPE_ADMIN ? SCOPES_OF_PROJECTS : bits;
}

/* key_lookup: id, project_id, public_id, retention_s, max_payload_bytes, scopes */
static void take_key(struct principal *who, const PGresult *r)
{
    bool is_operator = db_null(r, 0, 1);
    *who = (struct principal){.kind = is_operator ? PRINCIPAL_OPERATOR : PRINCIPAL_KEY};
    (void)db_uuid(r, 0, 0, &who->id);
    take_project(who, r, 1);
    who->scopes = is_operator ? SCOPE_OPERATOR : bits_of(db_text(r, 0, 5)) | SCOPE_PROJECT;
    who->scopes |= SCOPE_IDENTIFIED;
    ids_format(ID_KEY, &who->id, who->actor);
}

/* 1 found, 0 unknown, -1 answered. */
static int look_up(struct call *c, enum fcgi_sql statement, const unsigned char *digest,
                   const struct uuid *asked, PGresult **r)
{
    struct db_args a;
    db_args_init(&a);
    db_args_bytes(&a, digest, PASSWORD_DIGEST_BYTES);
    if (asked)
        db_args_uuid(&a, memcmp(asked, &none, sizeof none) ? asked : NULL);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[statement], &a, r)))
        return -1;
    return PQntuples(*r) > 0;
}

static bool by_key(struct call *c, const char *key)
{
    unsigned char digest[PASSWORD_DIGEST_BYTES];
    size_t prefix = strncmp(key, OPERATOR_KEY_PREFIX, strlen(OPERATOR_KEY_PREFIX)) == 0 &&
                            strlen(key) == strlen(OPERATOR_KEY_PREFIX) + TOKEN_CHARS
                        ? strlen(OPERATOR_KEY_PREFIX)
                        : strlen(PROJECT_KEY_PREFIX);
    PGresult *r;
    if (strncmp(key, PROJECT_KEY_PREFIX, strlen(PROJECT_KEY_PREFIX)) != 0 ||
        !token_ok(key + prefix) || password_token_digest(key, strlen(key), digest) < 0)
        return unauthenticated(c, "The key is not one of ours.");
    if (cache_get(digest, &none, &c->who))
        return true;
    int found = look_up(c, FCGI_SQL_KEY_LOOKUP, digest, NULL, &r);
    if (found == 1) {
        take_key(&c->who, r);
        cache_put(digest, &none, &c->who);
    }
    PQclear(r);
    return found == 1 || (found == 0 && unauthenticated(c, "The key is unknown or was revoked."));
}

/* session_lookup: user id, csrf token, memberships, then project_id, public_id, retention_s, max_payload_bytes, scopes */
static void take_session(struct principal *who, const PGresult *r, const unsigned char *digest)
{
    *who = (struct principal){.kind = PRINCIPAL_USER, .scopes = SCOPE_SIGNED_IN | SCOPE_IDENTIFIED};
    (void)db_uuid(r, 0, 0, &who->id);
    snprintf(who->csrf, sizeof who->csrf, "%s", db_text(r, 0, 1));
    memcpy(who->token, digest, sizeof who->token);
    take_project(who, r, 3);
    if (who->project_id)
        who->scopes |= bits_of(db_text(r, 0, 7)) | SCOPE_PROJECT;
    ids_format(ID_USER, &who->id, who->actor);
}

static bool by_session(struct call *c, const char *token, const struct uuid *asked)
{
    unsigned char digest[PASSWORD_DIGEST_BYTES];
    PGresult *r;
    if (password_token_digest(token, strlen(token), digest) < 0)
        return unauthenticated(c, "The session could not be read.");
    if (cache_get(digest, asked, &c->who))
        return true;
    int found = look_up(c, FCGI_SQL_SESSION_LOOKUP, digest, asked, &r);
    if (found == 1) {
        take_session(&c->who, r, digest);
        cache_put(digest, asked, &c->who);
    }
    PQclear(r);
    return found == 1 ||
           (found == 0 && unauthenticated(c, "The session has ended. Sign in again."));
}

static bool identify(struct call *c, const struct uuid *asked)
{
    char token[TOKEN_CHARS + 1];
    const char *key = key_of(c->rq);
    if (key)
        return by_key(c, key);
    if (session_of(c->rq, token))
        return by_session(c, token, asked);
    return unauthenticated(c,
                           "Send a key (Authorization: Bearer dlo_..., or X-Dlo-Key), or sign in.");
}

/* Dlo-Project as an id; zero when absent or "*". */
static bool asked_project(struct call *c, const struct route *route, struct uuid *asked,
                          bool *every)
{
    const char *header = request_header(c->rq, "HTTP_DLO_PROJECT");
    *asked = (struct uuid){{0}};
    *every = false;
    if (!header || !*header)
        return true;
    if (strcmp(header, "*") == 0 && route->flags & ROUTE_EVERY_PROJECT) {
        *every = true;
        return true;
    }
    if (ids_parse(ID_PROJECT, header, strlen(header), asked) == 0)
        return true;
    response_field_problem(c->rs, 400, "malformed-id", "Dlo-Project",
                           "Dlo-Project is not the id of a project.");
    return false;
}

static bool project_ok(struct call *c, enum scope need, const struct uuid *asked)
{
    bool named = memcmp(asked, &none, sizeof none) != 0;
    if (c->who.kind == PRINCIPAL_OPERATOR)
        return true;
    if (named && (!c->who.project_id || memcmp(asked, &c->who.project, sizeof *asked) != 0))
        return need & (SCOPE_SIGNED_IN | SCOPE_OPERATOR) ? true : foreign_project(c);
    if (c->who.project_id || !(need & (SCOPES_OF_PROJECTS | SCOPE_PROJECT)))
        return true;
    response_problem(c->rs, 400, "project-required",
                     "You belong to several projects, or to none: name one in the "
                     "header Dlo-Project.",
                     NULL, 0);
    return false;
}

static bool csrf_ok(struct call *c)
{
    enum method m = c->rq->method;
    if (c->who.kind != PRINCIPAL_USER || m == METHOD_GET || m == METHOD_HEAD)
        return true;
    const char *given = request_header(c->rq, "HTTP_X_CSRF_TOKEN");
    size_t n = strlen(c->who.csrf);
    if (given && strlen(given) == n && n && CRYPTO_memcmp(given, c->who.csrf, n) == 0)
        return true;
    response_problem(c->rs, 403, "csrf",
                     "A write of a signed-in user needs X-CSRF-Token as GET /v1/session shows it.",
                     NULL, 0);
    return false;
}

bool principal_establish(struct call *c, const struct route *route)
{
    struct uuid asked;
    bool every;
    c->who = (struct principal){.kind = PRINCIPAL_NOBODY};
    if (route->scope == SCOPE_NONE)
        return true;
    if (!asked_project(c, route, &asked, &every) || !identify(c, &asked))
        return false;
    if (every && c->who.kind == PRINCIPAL_USER) {
        c->who.every_project = true;
        c->who.project_id = 0;
        return csrf_ok(c);
    }
    if (!project_ok(c, route->scope, &asked))
        return false;
    return (principal_may(&c->who, route->scope) || principal_refuse(c, route->scope)) &&
           csrf_ok(c);
}
