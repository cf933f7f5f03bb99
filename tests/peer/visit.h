/*
 * One request as a mode sees it. A mode answers on its connection (conn.h) and returns the status it gave, 0 if it gave
 * none that is final.
 */
#ifndef PEER_VISIT_H
#define PEER_VISIT_H

#include "tests/peer/request.h"

#include <stdint.h>

struct conn;

struct visit {
    struct conn *conn;
    const struct request *req;
    struct span name; /* of the mode */
    struct span rest; /* of the path, after the mode's name and its slash */
    uint32_t before;  /* how often this path saw this webhook-id before */
};

/* A number at the beginning of `rest`. */
unsigned visit_number(const struct visit *v, unsigned fallback, unsigned most);

#endif
