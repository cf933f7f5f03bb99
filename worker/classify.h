/*
 * From what libcurl and the receiver said to a reason, and from the reason to what happens next.
 *
 * Sources: API.md "What a receiver gets" (transient and permanent), the table of return codes measured with libcurl
 * 7.88.1 (the design's platform notes), RFC 9110 section 15 for statuses. A status is believed even if the body behind
 * it was damaged: the endpoint answered.
 */
#ifndef DLO_WORKER_CLASSIFY_H
#define DLO_WORKER_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include "worker/attempt.h"
#include "worker/destination.h"

struct classify_facts {
    CURLcode code;
    long status;  /* 0: none */
    bool refused; /* our guard refused the address */
    bool connected;
    bool secured;  /* the TLS handshake was done, or none was needed */
    bool answered; /* a first byte came */
    long os_errno;
};

/* Fills reason, outcome, permanent, intentional, error_code, error, retry_ms. `jitter` in [-1, 1]. */
void classify(struct attempt *a, const struct destination_settings *set,
              const struct classify_facts *f, const char *curl_error, double jitter);
/* The same for an attempt that failed before libcurl was asked (name look-up, guard). */
void classify_failure(struct attempt *a, const struct destination_settings *set, enum reason reason,
                      bool permanent, const char *code, const char *sentence, double jitter);

#endif
