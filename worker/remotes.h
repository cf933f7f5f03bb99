/*
 * Caps of connections and rate to one remote address, over all webhooks of a project: many webhooks must not add up to
 * a flood against one host. Addresses on the operator's allow list are his own and are not capped, unless he says so.
 */
#ifndef DLO_WORKER_REMOTES_H
#define DLO_WORKER_REMOTES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/address_guard.h"
#include "worker/bucket.h"

struct remotes_rules {
    int concurrency;   /* 0: no cap */
    double per_second; /* 0: no cap */
    bool allowed_too;  /* also addresses on the allow list */
};

struct remote; /* one address as one project uses it */
struct remotes;

struct remotes *remotes_new(const struct remotes_rules *rules, const struct address_allow *allow);
void remotes_free(struct remotes *t);
void remotes_set_rules(struct remotes *t, const struct remotes_rules *rules);

/* True: a request to it may begin, and *out (NULL: it is not capped) is for remotes_begin(). */
bool remotes_may_send(struct remotes *t, int32_t project_id, const struct sockaddr_storage *addr,
                      int64_t now_ms, struct remote **out);
void remotes_begin(struct remotes *t, struct remote *r, int64_t now_ms); /* NULL is fine */
void remotes_end(struct remotes *t, struct remote *r);                   /* likewise */
/* Forgets those with nothing under way whose bucket is full again. */
void remotes_sweep(struct remotes *t, int64_t now_ms);

#endif
