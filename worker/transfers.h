/*
 * HTTP requests through libcurl: multi_socket on the sender's epoll set, connections reused, the address pinned.
 *
 * What is handed in starts at once: admission is the sender's, libcurl's own queue is never used. The pin keeps
 * libcurl's connection key per host name (CURLOPT_RESOLVE): with CONNECT_TO all hosts behind one address share a bundle
 * that each request walks (measured: 5,000 of them, 160/s).
 */
#ifndef DLO_WORKER_TRANSFERS_H
#define DLO_WORKER_TRANSFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address_guard.h"
#include "worker/attempt.h"
#include "worker/classify.h"
#include "worker/destination.h"
#include "worker/page.h"

struct transfers;

struct transfers_owner {
    void *arg;
    void (*watch)(void *arg, int fd, unsigned epoll_events, bool known); /* events 0: forget it */
    /* The attempt has ended; facts and libcurl's words are for classify(). The attempt is the owner's again. */
    void (*done)(void *arg, struct attempt *a, const struct classify_facts *f,
                 const char *curl_error);
};

/* `allow`, `page` and the strings must outlive it. NULL: out of memory. */
struct transfers *transfers_new(const char *ca_file, const struct address_allow *allow,
                                struct page_sender *page, const struct transfers_owner *owner);
void transfers_free(struct transfers *t);
/* From the next connection on, authorities are read from there, anew also when it is the same file. */
void transfers_set_ca(struct transfers *t, const char *ca_file);

int transfers_count(const struct transfers *t);
bool transfers_full(const struct transfers *t);
/* Starts one. `pin`: the address its host was resolved to, NULL for a literal. -1: it could not be started. */
int transfers_start(struct transfers *t, struct attempt *a, const struct sockaddr_storage *pin);

void transfers_ready(struct transfers *t, int fd, bool readable, bool writable, bool error);
/* Runs what is due; returns when it wants to be called again (clock_ms), INT64_MAX for never. */
int64_t transfers_tick(struct transfers *t, int64_t now_ms);

#endif
