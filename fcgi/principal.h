/*
 * Who asks, and what for: the result of authentication.
 *
 * A project key is its project. A user names a project with Dlo-Project (not needed with one membership). The operator
 * key belongs to no project. Successful look-ups of keys and sessions are cached 5 s per process (DESIGN.md "The
 * responder"), so a revoked key works that much longer and no more.
 */
#ifndef DLO_FCGI_PRINCIPAL_H
#define DLO_FCGI_PRINCIPAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/ids.h"

/* API.md "Scopes", one bit each. */
enum scope {
    SCOPE_NONE = 0, /* the route is open */
    SCOPE_EVENTS_WRITE = 1 << 0,
    SCOPE_EVENTS_READ = 1 << 1,
    SCOPE_WEBHOOKS_READ = 1 << 2,
    SCOPE_WEBHOOKS_WRITE = 1 << 3,
    SCOPE_DLQ_READ = 1 << 4,
    SCOPE_DLQ_PAYLOAD = 1 << 5,
    SCOPE_DLQ_REPLAY = 1 << 6,
    SCOPE_DLQ_REPLAY_BULK = 1 << 7,
    SCOPE_DLQ_EDIT = 1 << 8,
    SCOPE_DLQ_DISCARD = 1 << 9,
    SCOPE_DLQ_PURGE = 1 << 10,
    SCOPE_DLQ_EXPORT = 1 << 11,
    SCOPE_ALERTS_READ = 1 << 12,
    SCOPE_ALERTS_WRITE = 1 << 13,
    SCOPE_AUDIT_READ = 1 << 14,
    SCOPE_ADMIN = 1 << 15,      /* implies all of the above in its own project */
    SCOPE_OPERATOR = 1 << 16,   /* the operator key */
    SCOPE_SIGNED_IN = 1 << 17,  /* any user session; no project needed */
    SCOPE_IDENTIFIED = 1 << 18, /* anybody with a key or a session; no project needed */
    SCOPE_PROJECT = 1 << 19     /* anybody with a project, whatever the scopes */
};
#define SCOPES_OF_PROJECTS 0xffffu /* the bits that a key or a membership can hold */

enum principal_kind { PRINCIPAL_NOBODY, PRINCIPAL_KEY, PRINCIPAL_USER, PRINCIPAL_OPERATOR };

struct principal {
    enum principal_kind kind;
    struct uuid id;      /* key or user */
    bool every_project;  /* Dlo-Project: * on a route that takes it; project_id is 0 */
    int project_id;      /* 0: none */
    struct uuid project; /* its public id */
    int64_t retention_s; /* of the project, as it is now */
    int64_t max_payload_bytes;
    uint32_t scopes;          /* bits of enum scope; admin already expanded */
    char actor[IDS_TEXT_MAX]; /* key_… or usr_…, for the audit */
    char csrf[44];            /* of a user's session */
    unsigned char token[32];  /* SHA-256 of the session's token */
};

bool principal_may(const struct principal *p, enum scope scope);
const char *principal_scope_name(enum scope scope);          /* "dlq:read" */
int principal_scope_parse(const char *name, uint32_t *bits); /* -1: unknown */

/* The scopes in a principal's bits as JSON names; admin alone stands for all. */
json_t *principal_scope_names(uint32_t bits);
/*
 * Names from JSON (an array that fields_strings accepted) into bits and into a text[] literal ("{dlq:read,admin}").
 * -1: *bad is the index of the unknown one, or out does not suffice.
 */
int principal_scopes_read(const json_t *names, uint32_t *bits, char *literal, size_t cap,
                          size_t *bad);

struct call;
struct route;
/* Answers 403 with requiredScope; returns false. */
bool principal_refuse(struct call *c, enum scope scope);
/*
 * Establishes c->who for a route: identity (401), project (400, 403), scope (403), CSRF (403). false: answered. A route
 * of SCOPE_NONE establishes nobody.
 */
bool principal_establish(struct call *c, const struct route *route);
/* Forgets what this process has cached: after a sign-out, a revocation, a change of scopes. */
void principal_forget(void);

#endif
