/*
 * What one attempt was: made by a transfer (or as a verdict without a request), judged by classify, written by writer.
 *
 * Owns its buffers. All text is valid UTF-8 without NUL before it gets here, except the two bodies of bytes: one bad
 * byte would fail a whole batch.
 */
#ifndef DLO_WORKER_ATTEMPT_H
#define DLO_WORKER_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/fingerprint.h"
#include "common/states.h"
#include "worker/delivery.h"

struct attempt {
    struct attempt *next;
    struct delivery *delivery;
    enum attempt_kind kind;
    enum outcome outcome;
    enum reason reason;
    bool permanent;
    bool intentional;       /* a status the webhook expects */
    int status;             /* 0: none */
    const char *error_code; /* a literal, or NULL */
    char error[320];
    int64_t started_us;    /* clock_us() */
    int64_t retry_ms;      /* until the next one, when outcome is OUTCOME_RETRY */
    int64_t retry_after_s; /* what the receiver asked for, or -1 */
    char *url;             /* redacted; owned */
    struct buf request_headers;
    unsigned char body_sha256[32];
    struct buf response_headers; /* raw while receiving, redacted UTF-8 lines when done */
    struct buf response_body;
    bool truncated;
    bool resent; /* within this attempt: a kept connection was closed under the first one */
    int32_t dns_us, connect_us, tls_us, ttfb_us, total_us;
    char remote[64];
    struct uuid entry_id; /* of the entry it makes, when it dies */
    struct fingerprint fp;
    bool stale;      /* its row was not there, or not ours: nothing was written */
    bool unwritable; /* no statement takes it, not even stripped */
};

/* For a delivery that is being sent, or (kind verdict) that ends without a request. NULL: out of memory. */
struct attempt *attempt_new(struct delivery *d, enum attempt_kind kind, int64_t now_us);
void attempt_free(struct attempt *a); /* not the delivery */
/* Bytes it will take in a batch, roughly. */
size_t attempt_bytes(const struct attempt *a);
/* Ends it without a request: reason, a code and a sentence. */
void attempt_verdict(struct attempt *a, enum reason reason, const char *code, const char *sentence);

#endif
