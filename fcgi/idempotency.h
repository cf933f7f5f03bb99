/*
 * idempotency: Idempotency-Key on POSTs (API.md "Idempotency-Key").
 *
 * route_dispatch calls begin before and end after the handler of a ROUTE_IDEMPOTENT route. A key belongs to principal,
 * method and path. While the handler runs, the key's row says "running" (409 for others); a row left running by a crash
 * is taken over after 60 s. Answers of 5xx and 429 are not kept: the caller is meant to try again.
 */
#ifndef DLO_FCGI_IDEMPOTENCY_H
#define DLO_FCGI_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/route.h"

struct idempotency {
    bool held; /* the key is ours to finish */
    unsigned char key_hash[32];
};

/* The key of this request without its quotes: 1 present, 0 absent, -1: 400 was answered. Points into the request. */
int idempotency_key(struct call *c, const char **key, size_t *len);

/* false: the request is answered (replayed, 409, 422, 400, 503). */
bool idempotency_begin(struct call *c, struct idempotency *i);
void idempotency_end(struct call *c, struct idempotency *i);

#endif
