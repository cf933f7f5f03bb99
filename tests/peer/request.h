/*
 * One HTTP/1.1 request in a buffer (RFC 9112). Everything in struct request is borrowed from that
 * buffer. Lenient where a sender under test is not what is examined, strict about where a request
 * ends: conflicting or unreadable lengths are REQUEST_BAD.
 */
#ifndef PEER_REQUEST_H
#define PEER_REQUEST_H

#include "tests/peer/bytes.h"

#define REQUEST_HEAD_CAP ((size_t)64 << 10)
#define REQUEST_BODY_CAP ((size_t)16 << 20)

enum request_state {
    REQUEST_MORE,     /* the head is not complete */
    REQUEST_HEAD,     /* the head is, the body is not */
    REQUEST_COMPLETE, /* total_len bytes are this request */
    REQUEST_BAD,
    REQUEST_TOO_LARGE,
};

struct request {
    struct span method;
    struct span target; /* as it came: path and query */
    struct span path;
    struct span query; /* without the question mark */
    struct span head;  /* the header lines, each with its line end */
    struct span body;
    struct span webhook_id; /* empty if there is none */
    size_t head_len;        /* with the request line and the empty line */
    size_t content_length;
    size_t total_len;
    bool has_length;
    bool chunked;
    bool keep_alive;
    bool expects_continue;
};

/* `data` is written to when a chunked body is complete: it is joined in place. */
enum request_state request_parse(char *data, size_t len, struct request *r);

/* The next header of `lines` (a request's `head`); false at the end. */
bool request_next_header(struct span *lines, struct span *name, struct span *value);

/* A query parameter, percent-decoded and NUL-terminated (cut at size); false if it is not there. */
bool request_query(const struct request *r, const char *name, char *to, size_t size);

#endif
