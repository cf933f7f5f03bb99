/*
 * The last requests to paths under /rec/, whole, for tests that look at headers and bodies.
 */
#ifndef PEER_RECORD_H
#define PEER_RECORD_H

#include "tests/peer/request.h"

#define RECORD_RING 10000u
#define RECORD_BYTES ((size_t)64 << 20)  /* older ones go first */
#define RECORD_ANSWER ((size_t)32 << 20) /* a longer listing is cut, "truncated":true */

void record_keep(const struct request *r, unsigned connection);

/* {"requests":[{seq, atMs, connection, method, path, headers:[[name,value]], body}], "truncated"}:
 * the last `limit` whose target begins with `prefix`, oldest first; `body` is base64. */
int record_list(struct span prefix, unsigned limit, struct bytes *out);
void record_reset(void);

#endif
