/*
 * Names to addresses, off the loop: getaddrinfo in a small pool of threads, answers cached.
 *
 * libcurl's own resolver freezes the whole multi loop while it joins a slow look-up (measured: 4.8 s), and we have to
 * judge every address before it is connected to anyway. An answer is filtered by the address guard and one address is
 * kept: what is connected to is exactly that one. Kept 30 s, a failure 5 s (getaddrinfo tells no TTL).
 */
#ifndef DLO_WORKER_RESOLVER_H
#define DLO_WORKER_RESOLVER_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/address_guard.h"

enum resolver_answer {
    RESOLVER_HIT,     /* *out is set, port 0 */
    RESOLVER_PENDING, /* ask again when the descriptor says so */
    RESOLVER_NO_NAME, /* NXDOMAIN or no address: permanent */
    RESOLVER_TROUBLE, /* SERVFAIL, timeout, no memory: transient */
    RESOLVER_REFUSED  /* it has addresses, none of them may be connected to */
};

struct resolver;

/* Starts the threads. `event_fd` (an eventfd) is written when look-ups have ended. NULL: out of resources. */
struct resolver *resolver_new(int threads, int event_fd, const struct address_allow *allow);
/* Does not wait for a thread that is inside getaddrinfo: only called when the process ends. */
void resolver_free(struct resolver *r);

enum resolver_answer resolver_get(struct resolver *r, const char *host, int64_t now_ms,
                                  struct sockaddr_storage *out);

#endif
