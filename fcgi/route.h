/*
 * The routes: one table, one line each (fcgi/route.c). A handler reads its request, runs one statement or one
 * transaction, and fills the response.
 *
 * Before a handler runs: method and path matched (404, 405 + Allow), identity established (401), scope checked before
 * any object is looked up (403), CSRF checked for sessions on writes, body read under the route's limit (413, 415,
 * 400), unknown query parameters refused (400), Idempotency-Key settled where the route takes one.
 */
#ifndef DLO_FCGI_ROUTE_H
#define DLO_FCGI_ROUTE_H

#include "common/address_guard.h"
#include "common/config.h"
#include "common/db.h"
#include "common/seal.h"
#include "fcgi/entry_drawers.h"
#include "fcgi/principal.h"
#include "fcgi/request.h"
#include "fcgi/response.h"

/* What a responder process has; made once, after the fork. */
struct desk {
    const struct config *config;
    struct db *db;
    struct seal_keyring *keyring;
    struct address_allow allow;
    int wake_fd; /* eventfd of the waker; -1: none */
};

struct call {
    struct desk *desk;
    struct request *rq;
    struct response *rs;
    struct principal who;
    int64_t schema_us;            /* processor time that event_schemas.c took for it */
    struct entry_drawers drawers; /* where the project's dead letters lie, once a list has asked */
    const char *args[4];          /* decoded path segments that matched "{…}" */
};

typedef void route_handler(struct call *c);

enum route_flags {
    ROUTE_BODY_JSON =
        1 << 0, /* wants application/json (415 otherwise); an empty body is allowed when OPTIONAL */
    ROUTE_BODY_OPTIONAL = 1 << 1,
    ROUTE_IDEMPOTENT = 1 << 2, /* takes Idempotency-Key, the answer is stored */
    ROUTE_LEGACY = 1 << 3,     /* seed 000: errors are application/json with `error` */
    ROUTE_NDJSON = 1 << 4,     /* application/x-ndjson is taken too */
    ROUTE_EVERY_PROJECT =
        1
        << 5, /* a user may send Dlo-Project: *; who.every_project is then set, project_id 0, and the
                                     handler itself takes only memberships with the scope */
    ROUTE_SLOW = 1 << 6 /* hashes passwords: not logged as slow */
};

struct route {
    enum method method;
    const char *pattern; /* "/v1/webhooks/{}/pause" */
    route_handler *handler;
    enum scope scope;
    size_t body_limit; /* 0: no body is read */
    unsigned flags;
    const char *const
        *query; /* NULL-terminated names of the allowed query parameters; NULL: none */
};

/* All tables of routes, each ended by an entry without a pattern; returns how many. For those who describe them. */
size_t route_tables(const struct route *const **out);

/* Runs one request to its answer. */
void route_dispatch(struct desk *desk, FCGX_Request *fcgi);

/* Database trouble as an answer: 503 + Retry-After for lost and busy, 500 for the rest. Returns true if s is DB_OK. */
bool route_db_ok(struct call *c, enum db_status s);
/* A transaction around several statements. false: answered (503 or 500); the transaction is over then. */
bool route_begin(struct call *c);
bool route_commit(struct call *c);
void route_rollback(struct call *c);
/* Wakes the senders after a commit that took in work. Cheap; never fails. */
void route_wake(struct call *c);
/* The body as a JSON object with duplicate keys refused (400). `[]` and an empty body are {}. NULL: answered already. */
json_t *route_body_object(struct call *c);

/* The id in args[i]; false: 404 not-found was answered (a malformed id in a path is an unknown one). */
bool route_id(struct call *c, int i, enum ids_kind kind, struct uuid *out);
/* 404, the same words for what does not exist and for what is somebody else's. */
void route_not_found(struct call *c);
/*
 * If-Match against the version of a single resource (RFC 9110 section 13.1.1; "*" matches). false: answered, 428
 * if-match-required or 412 version-mismatch. The statement that writes must check the version again.
 */
bool route_if_match(struct call *c, int64_t version);
/* The version that If-Match names, for a statement that checks it itself: -1 for "*", -2: 428 or 412 was answered. */
int64_t route_if_match_version(struct call *c);

#endif
