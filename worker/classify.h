/*
 * From what libcurl and the receiver said to a reason, and from the reason to what happens next.
 *
 * Sources: API.md "What a receiver gets" (transient and permanent), the table of return codes measured with libcurl
 * 7.88.1 (the design's platform notes), RFC 9110 section 15 for statuses (beyond 599 is as 5xx). A final status is
 * believed even if what came behind it was damaged, endless or late: the endpoint answered, and to send again what it
 * took would be a repetition of our own making. Interim statuses (1xx), 101 included, are none: we asked for no other protocol.
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
    bool answered; /* a first line came */
    bool alert;    /* its TLS said why it hangs up */
    long os_errno;
};

/* Fills reason, outcome, permanent, intentional, error_code, error, retry_ms. `jitter` in [-1, 1]. */
void classify(struct attempt *a, const struct destination_settings *set,
              const struct classify_facts *f, const char *curl_error, double jitter);
/* The same for an attempt that failed before libcurl was asked (name look-up, guard). */
void classify_failure(struct attempt *a, const struct destination_settings *set, enum reason reason,
                      bool permanent, const char *code, const char *sentence, double jitter);

#endif
