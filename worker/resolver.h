/*
 * Names to addresses, on the sender's own loop: c-ares, answers cached, one address given at a time.
 *
 * libcurl's own resolver freezes the whole multi loop while it joins a slow look-up (measured: 4.8 s), and we have to
 * judge every address before it is connected to anyway. An answer is filtered by the address guard; what is connected
 * to is exactly the address that was given out.
 *
 * An answer is kept for its TTL within LIMIT_DNS_TTL_*; NXDOMAIN and trouble shorter, see common/limits.h. A name that
 * is in use is looked up again in the last quarter of its time, so that nobody waits for it; it is never given out
 * longer than that. How many are looked up at once, and for whom, is in name_lines.h; how one is, in lookups.h.
 */
#ifndef DLO_WORKER_RESOLVER_H
#define DLO_WORKER_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/address_guard.h"

/* The last three in the order of what is to be believed of two families: the greater one. */
enum resolver_answer {
    RESOLVER_HIT,      /* *out is set, port 0 */
    RESOLVER_PENDING,  /* ask again after answered(), and every second or so */
    RESOLVER_REFUSED,  /* it has addresses, none of them may be connected to: permanent */
    RESOLVER_NO_NAME,  /* NXDOMAIN, or neither an A nor an AAAA record: permanent */
    RESOLVER_SERVFAIL, /* no name server could tell (SERVFAIL, REFUSED, nonsense): transient */
    RESOLVER_TIMEOUT   /* not answered within LIMIT_DNS_LOOKUP_MS: transient */
};

struct resolver_owner {
    void *arg;
    void (*watch)(void *arg, int fd, unsigned epoll_events, bool known); /* events 0: forget it */
    void (*answered)(void *arg); /* look-ups have ended; only called by resolver_tick() */
};

struct resolver_counts {
    int names;     /* kept */
    int under_way; /* being looked up */
    /* since the start: */
    int64_t asked;                         /* look-ups begun */
    int64_t hits;                          /* questions answered by what was known */
    int64_t answers[RESOLVER_TIMEOUT + 1]; /* of look-ups, by what they found */
};

struct resolver;

/* `servers`: the setting dns_servers (name_servers.h). `allow` must outlive it. NULL: logged. */
struct resolver *resolver_new(const char *servers, const struct address_allow *allow,
                              const struct resolver_owner *owner);
void resolver_free(struct resolver *r);

/* The settings or the allow list have changed: nothing that was known counts any more. The system's resolv.conf and
 * hosts need no reload, every look-up reads them. -1: `servers` is wrong, logged; the old ones stay. */
int resolver_reload(struct resolver *r, const char *servers);

/* A name's next address, in turn: an attempt that follows a failure takes another one if there is one. Looked up on
 * behalf of `project_id` if need be; those that ask for one name share the look-up. */
enum resolver_answer resolver_get(struct resolver *r, int32_t project_id, const char *host,
                                  int64_t now_ms, struct sockaddr_storage *out);

void resolver_ready(struct resolver *r, int fd, bool readable, bool writable);
/* Call it after resolver_ready() and when it asked for it: ends what was answered and what took too long. Returns when it
 * wants to be called again (clock_ms), INT64_MAX for never. */
int64_t resolver_tick(struct resolver *r, int64_t now_ms);

void resolver_count(const struct resolver *r, struct resolver_counts *out);

#endif
