/*
 * One answer. Assembled whole, then written with one call; only an export is streamed (response_stream).
 *
 * Every answer gets X-Request-Id, Cache-Control: no-store, X-Content-Type-Options and the Content-Security-Policy of
 * API.md. A handler calls exactly one of response_json, response_problem, response_empty, response_bytes.
 */
#ifndef DLO_FCGI_RESPONSE_H
#define DLO_FCGI_RESPONSE_H

#include <stdbool.h>

#include <jansson.h>

#include "common/buf.h"
#include "fcgi/request.h"

#define RESPONSE_SECRETS_MAX 4

struct response {
    int status;
    struct buf headers; /* "Name: value\r\n" lines beyond the standing ones */
    struct buf body;
    const char *content_type;
    json_t *json; /* the body until it is rendered */
    bool
        problem; /* json is a problem: requestId is added, ROUTE_LEGACY makes it {"error": detail} */
    bool
        streamed; /* its head was written, and what there is of its body: nothing can be taken back */
    bool weak_tag; /* ETag from the body's bytes, 304 if the client has it */
    const char
        *secrets[RESPONSE_SECRETS_MAX]; /* top-level members that are null in a stored answer */
    int nsecrets;
    char location[256]; /* as set, for a stored answer */
};

/* An error as API.md's problem+json. `errors` are added one by one with response_problem_field. */
struct response_error {
    const char *
        pointer; /* JSON Pointer (RFC 6901) of the field, "" for the whole body, "?name" for a query parameter */
    const char *detail;
};

void response_init(struct response *rs);
void response_release(struct response *rs);

void response_header(struct response *rs, const char *name, const char *value);
/* Takes the reference. A NULL body is 500. */
void response_json(struct response *rs, int status, json_t *body);
void response_empty(struct response *rs, int status);
void response_bytes(struct response *rs, int status, const char *content_type, const void *p,
                    size_t n);

/*
 * A problem: `code` is the stable word (kebab-case), `type` is /problems/<code>, `title` the status's phrase or the
 * code's own sentence, `detail` a sentence for a human. requestId is added on the way out. `errors` may be NULL.
 */
void response_problem(struct response *rs, int status, const char *code, const char *detail,
                      const struct response_error *errors, size_t nerrors);
/* The frequent one: one field is wrong. detail also names it. printf-like. */
void response_field_problem(struct response *rs, int status, const char *code, const char *pointer,
                            const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* This top-level member is shown once: null in the answer kept for an Idempotency-Key. The name is not copied. */
void response_secret_member(struct response *rs, const char *member);
/* Strong ETag of a single resource; the JSON has the same number as `version`. */
void response_version(struct response *rs, int64_t version);
/* Location, made absolute with public_url when the path begins with '/'. */
void response_location(struct response *rs, const char *public_url, const char *path);
/* 429 with Retry-After. */
void response_too_many(struct response *rs, const char *code, const char *detail,
                       int retry_after_s);

/* Writes the head of a 200 without a length, at once; the body follows in pieces, and response_write adds nothing. */
void response_stream_begin(struct response *rs, struct request *rq, const char *content_type);
/* false: the client has gone. */
bool response_stream(struct response *rs, struct request *rq, const void *p, size_t n);

/* Writes the answer to the web server; HEAD and 304 without their body. For route.c. */
void response_write(struct response *rs, struct request *rq, bool legacy);

#endif
