/*
 * Everything a sender asks of the database except outcomes: leases, arrivals, heads, settings, payloads, promotions.
 *
 * One connection, one statement at a time, the most urgent first. Arrivals are read by snapshot (see arrivals.sql):
 * this file keeps the snapshot of the last poll, and nothing else decides what is new.
 */
#ifndef DLO_WORKER_READER_H
#define DLO_WORKER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address_guard.h"
#include "common/seal.h"
#include "worker/delivery.h"
#include "worker/destinations.h"
#include "worker/leases.h"
#include "worker/pipe.h"
#include "worker/trials.h"

struct reader;

struct reader_owner {
    void *arg;
    void (*changed)(void *arg, struct destination *d); /* it may be able to send now */
    /* A row that must end without a request: held too long, its webhook deleted, or its source missing. The row is in
     * the table of held rows already. */
    void (*ends)(void *arg, struct delivery *row, enum reason reason, const char *code,
                 const char *why);
    void (*counters)(void *arg, struct buf *json); /* appends the counters as a JSON object */
    bool (*outcomes_wait)(void *arg); /* so many that no more should be made without need */
};

struct reader_set {
    const struct uuid *owner;
    const struct uuid *dead_owner; /* whose leases may be taken at once; zero: nobody's */
    struct leases *leases;
    struct destinations *destinations;
    struct delivery_table *held;
    const struct seal_keyring *keyring;
    const struct address_allow *allow;
    struct trials *trials;
    const char *host_name; /* empty: the system's */
};

struct reader *reader_new(const struct reader_set *set, const struct reader_owner *owner);
void reader_free(struct reader *r);

/* Sends the next statement if the pipe is idle; returns when it wants to be called again. */
int64_t reader_tick(struct reader *r, struct pipe *pipe, int64_t now_ms);
void reader_wake(struct reader *r); /* a notification: poll now */
void reader_lost(struct reader *r); /* the connection was lost */
void reader_retry_in(struct reader *r, int64_t now_ms,
                     int64_t ms); /* a retry was written that is due then */
void reader_webhook_gone(struct reader *r, int32_t webhook_id); /* a receiver answered 410 */
void reader_breaker_changed(struct reader *r,
                            struct destination *d); /* its state is to be written */
void reader_recovered(struct reader *r);            /* a destination's recovery is to be told */
/* Webhooks are to be judged anew: what was read of them counts no more. */
void reader_forget_settings(struct reader *r);
void reader_stop(struct reader *r);       /* take nothing new; release what drains */
bool reader_left(const struct reader *r); /* stopped, everything released */
/* A completion was answered: the row is given up, now or when no heads query can show it any more. */
void reader_release_row(struct reader *r, struct delivery *row);

#endif
