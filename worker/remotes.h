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

struct destination;
struct remote; /* one address as one project uses it */
struct remotes;

struct remotes *remotes_new(const struct remotes_rules *rules, const struct address_allow *allow);
void remotes_free(struct remotes *t);
void remotes_set_rules(struct remotes *t, const struct remotes_rules *rules);

/* True: a request to it may begin. *out (NULL: it is not capped) is for remotes_begin(), or for remotes_wait(). */
bool remotes_may_send(struct remotes *t, int32_t project_id, const struct sockaddr_storage *addr,
                      int64_t now_ms, struct remote **out);
void remotes_begin(struct remotes *t, struct remote *r, int64_t now_ms); /* NULL is fine */
void remotes_end(struct remotes *t, struct remote *r);                   /* likewise */

/* Webhooks with one address take turns: one that found no room stands in the address's line. */
void remotes_wait(struct remote *r, struct destination *d);
/* The longest waiting at an address, which has left its line; NULL: nobody, or it still has no room. */
struct destination *remotes_recall(struct remotes *t, struct remote *r, int64_t now_ms);
/* The same for any address: those whose rate was used up. */
struct destination *remotes_recall_any(struct remotes *t, int64_t now_ms);

/* Forgets those with nothing under way, nobody in line and a full bucket. */
void remotes_sweep(struct remotes *t, int64_t now_ms);

#endif
