/*
 * One HTTP request, as a handler sees it: decoded, capped, checked.
 *
 * Made by request_read() from the FastCGI parameters and body; owns all its memory until request_release(). Routing is
 * on REQUEST_URI: the path is split on '/' and each segment percent-decoded (RFC 3986 section 2.1), the query is split
 * on '&' and decoded with '+' as a space, except that a space before an offset in a time is read as '+' by the reader
 * of times. Identity never comes from an HTTP_* variable other than Authorization, X-Dlo-Key, Cookie, X-CSRF-Token.
 */
#ifndef DLO_FCGI_REQUEST_H
#define DLO_FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <fcgiapp.h>
#include <jansson.h>

#include "common/limits.h"

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OTHER
};

#define REQUEST_SEGMENTS_MAX 8 /* a trailing slash makes no segment */
#define REQUEST_QUERY_MAX 64

struct request_pair {
    const char *name; /* decoded, valid UTF-8, NUL-terminated, without a final "[]" */
    const char *value;
};

struct request {
    enum method method;
    const char *path; /* raw path without query, for idempotency and logs */
    const char *segments[REQUEST_SEGMENTS_MAX];
    int nsegments;
    bool too_long; /* the path has more segments than are kept, and so no route */
    struct request_pair query[REQUEST_QUERY_MAX];
    int nquery;
    char id[LIMIT_REQUEST_ID_BYTES + 1];
    const char *body; /* never NULL; NUL-terminated after body_len */
    size_t body_len;
    const char *content_type; /* "" if absent */
    FCGX_Request *fcgi;
    int refused_status; /* the web server's own verdict (REDIRECT_STATUS >= 400): answer it, run no route; else 0 */
    bool bodiless; /* the web server could not hand the body over (411): it is empty */
    char *memory;  /* what the pointers above point into */
    char *body_memory;
};

/* How reading went; anything but OK has a problem to answer with (problem_of_read). */
enum request_read {
    REQUEST_OK,
    REQUEST_BAD_URI,   /* 400: bad escape, NUL, not UTF-8, too many parameters */
    REQUEST_TOO_LARGE, /* 413 */
    REQUEST_CUT_SHORT, /* 400: fewer bytes than announced, or no end of STDIN */
    REQUEST_NO_MEMORY  /* 500 */
};

/* Reads parameters only; the body is read once the route, and so its limit, is known. */
enum request_read request_read_head(FCGX_Request *fcgi, struct request *rq);
enum request_read request_read_body(struct request *rq, size_t limit_bytes);
/* Reads what is left of the body and forgets it, within bounds: a web server that cannot write it answers 502. */
void request_drain(struct request *rq);
void request_release(struct request *rq);

/* A request header by its CGI name ("HTTP_IF_MATCH"), or NULL. */
const char *request_header(const struct request *rq, const char *cgi_name);
/* The first value of a query parameter, or NULL. */
const char *request_query(const struct request *rq, const char *name);

#endif
