/* See attempt.h. Memory only. */
#include "worker/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"

struct attempt *attempt_new(struct delivery *d, enum attempt_kind kind, int64_t now_us)
{
    struct attempt *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->delivery = d;
    a->kind = kind;
    a->started_us = now_us;
    a->retry_after_s = -1;
    buf_init(&a->request_headers, LIMIT_RESPONSE_HEADERS_BYTES);
    buf_init(&a->response_headers, LIMIT_RESPONSE_HEADERS_BYTES);
    buf_init(&a->response_body, LIMIT_RESPONSE_FAILURE_BYTES);
    return a;
}

void attempt_free(struct attempt *a)
{
    if (!a)
        return;
    free(a->url);
    buf_release(&a->request_headers);
    buf_release(&a->response_headers);
    buf_release(&a->response_body);
    free(a);
}

size_t attempt_bytes(const struct attempt *a)
{
    return sizeof *a + a->request_headers.len + a->response_headers.len + a->response_body.len;
}

void attempt_verdict(struct attempt *a, enum reason reason, const char *code, const char *sentence)
{
    a->outcome = OUTCOME_DEAD;
    a->permanent = true;
    a->reason = reason;
    a->error_code = code;
    snprintf(a->error, sizeof a->error, "%s", sentence);
}
