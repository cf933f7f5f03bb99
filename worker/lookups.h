/*
 * The look-ups under way: at most LIMIT_DNS_LOOKUPS, each with a c-ares channel of its own.
 *
 * A channel for each costs 20 us and buys: a source port and query ids that are random for each name (RFC 5452), a
 * look-up that can be given up alone, one hostile answer that touches no other, and the system's resolv.conf as it is
 * at that moment. First /etc/hosts, then the family this host can send to, then the other if the first had no address
 * that may be connected to. Names are absolute: no search list, no HOSTALIASES. localhost and names below it never
 * leave the host (RFC 6761 section 6.3).
 *
 * We query and parse instead of ares_getaddrinfo(): that one reads thousands of records in quadratic time, and does not
 * tell which family failed. Truncated answers are asked for again over TCP, EDNS says 1,232 bytes.
 */
#ifndef DLO_WORKER_LOOKUPS_H
#define DLO_WORKER_LOOKUPS_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#include "common/limits.h"
#include "worker/name_servers.h"
#include "worker/resolver.h"

union lookups_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct lookups_answer {
    enum resolver_answer answer; /* never RESOLVER_PENDING */
    int32_t ttl_s;               /* the shortest on the way to the addresses; 0 if there are none */
    int count;                   /* of addresses, all of one family; 0 unless it is a hit */
    union lookups_address list[LIMIT_DNS_ADDRESSES];
};

struct lookups_owner {
    void *arg;
    void (*watch)(void *arg, int fd, unsigned epoll_events, bool known); /* events 0: forget it */
    void (*ended)(void *arg, void *name, const struct lookups_answer *answer);
};

struct lookups;

/* `servers` and `allow` must outlive it. NULL: out of memory. */
struct lookups *lookups_new(const struct name_servers *servers, const struct address_allow *allow,
                            const struct lookups_owner *owner);
/* Ends what is under way without telling. */
void lookups_free(struct lookups *l);

int lookups_count(const struct lookups *l);
/* Begins one; `host` must stay until it has ended, which it may have before this returns. -1: full or no memory. */
int lookups_start(struct lookups *l, const char *host, void *name, int64_t now_ms);

void lookups_ready(struct lookups *l, int fd, bool readable, bool writable);
/* Goes on with what was answered, sends again and gives up what is due; returns when it wants to be called again, INT64_MAX for never. */
int64_t lookups_tick(struct lookups *l, int64_t now_ms);

#endif
