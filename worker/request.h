/*
 * What a receiver gets: the header set, the signatures, the bytes, and who it and we must be on TLS.
 *
 * Standard Webhooks 1.0.0: webhook-id (the event), webhook-timestamp, webhook-signature over "id.timestamp.body"; during
 * a rotation one signature for each key, separated by a space. The rest of the set is in API.md, "What a receiver gets".
 *
 * A webhook with authorities of its own (settings.tls_ca) trusts only these. The blobs are part of what libcurl compares
 * before it takes a kept connection or a TLS session, so none is shared between webhooks that differ in them.
 *
 * A re-drive to a former URL of the webhook gets the same, but at another origin neither the custom headers nor the client
 * certificate: they were given for the present one (API.md: a PATCH that moves the URL drops them likewise).
 */
#ifndef DLO_WORKER_REQUEST_H
#define DLO_WORKER_REQUEST_H

#include <sys/socket.h>

#include <curl/curl.h>

#include "worker/attempt.h"

struct request {
    struct curl_slist *headers;
    struct curl_slist *pin; /* the address its host was resolved to */
};

/* Sets everything that is this delivery's own on the handle, and the attempt's request_headers and body_sha256. The
 * delivery's payload must stay until the transfer has ended. `pin` may be NULL: the host is a literal. -1: it cannot be
 * sent (no memory, or a signature failed): nothing may leave then. */
int request_set(struct request *r, CURL *easy, struct attempt *a,
                const struct sockaddr_storage *pin);
/* Takes it all off the handle, which keeps nothing of it: neither headers nor keys. */
void request_release(struct request *r, CURL *easy);

#endif
