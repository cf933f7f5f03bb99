/*
 * An HTTP/1.1 answer read as it comes (RFC 9112 section 6): enough for a client that wants the
 * status, where the answer ends, and perhaps the body. Web servers in front of FastCGI choose
 * between Content-Length, chunked and closing, so all three are here.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "tests/peer/bytes.h"

#include <stdint.h>
#include <sys/types.h>

enum answer_part {
    ANSWER_STATUS,
    ANSWER_HEADERS,
    ANSWER_BODY,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_UNTIL_CLOSE,
    ANSWER_DONE,
};

struct answer {
    enum answer_part part;
    int status;
    uint64_t left; /* of the body or of the chunk */
    bool chunked;
    bool has_length;
    bool closes; /* the connection cannot be used again */
    size_t line_len;
    char line[512]; /* a longer line is cut: none that matters is */
};

/* Takes up to `len` bytes, stops after the answer's last one. Returns how many it took, -1 when
 * this is not HTTP. `body` may be NULL. Start with a zeroed struct. */
ssize_t answer_feed(struct answer *a, const char *data, size_t len, struct bytes *body);

/* The connection ended: 0 if that is how this answer ends, else -1. */
int answer_end(struct answer *a);

#endif
