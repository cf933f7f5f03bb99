/*
 * What the parts of a sender share. sender.c is the loop and the beginning and end of it all; dispatch.c takes deliveries
 * from their lanes to a request, by way of shaping.c; outcomes.c takes what came of them to the writer, and what it means
 * to the destination; suspects.c keeps those that may have killed a sender apart; census.c counts. Nobody else includes
 * this header.
 */
#ifndef DLO_WORKER_SENDING_H
#define DLO_WORKER_SENDING_H

#include "common/config.h"
#include "common/seal.h"
#include "worker/admission.h"
#include "worker/destinations.h"
#include "worker/leases.h"
#include "worker/page.h"
#include "worker/reader.h"
#include "worker/remotes.h"
#include "worker/resolver.h"
#include "worker/sandboxes.h"
#include "worker/stats.h"
#include "worker/transfers.h"
#include "worker/turns.h"
#include "worker/writer.h"

struct sender {
    struct config *config; /* this process's own */
    const char *config_path;
    struct page_sender *page;
    int index; /* on this machine */
    struct uuid owner;
    int epoll_fd, signal_fd;
    struct address_allow allow;
    struct seal_keyring *keyring;
    struct breaker_rules breaker_rules;
    struct leases leases;
    struct destinations *destinations;
    struct turns *turns;
    struct admission admission;
    struct remotes *remotes;
    struct delivery_table *held;
    struct transfers *transfers;
    struct resolver *resolver;
    struct sandboxes *sandboxes;
    struct trials *trials;
    int nursery_fd; /* see nursery.h */
    struct reader *reader;
    struct writer *writer;
    struct pipe *read_pipe, *write_pipe;
    int read_fd, write_fd;
    struct delivery *suspects; /* sent last, one at a time */
    struct stats stats;
    struct stats_minute minute_before;
    int64_t now_ms, sweep_at_ms, minute_at_ms, stop_at_ms, give_up_at_ms;
    int64_t
        settled_at_ms; /* stopping: since when nothing is under way or to be written; 0: it is */
    int stops;         /* SIGTERMs */
    bool stopping, once, idle_once;
    const char *
        fault_type; /* fault injection for tests: sending an event of this type aborts the process */
};

/* It may be able to send now: it joins those whose turn comes. */
void dispatch_offer(struct sender *s, struct destination *d);
/* Back to its lane: it was begun and could not go on. */
void dispatch_requeue(struct sender *s, struct delivery *row);

/* How things are now. */
void census_take(const struct sender *s, struct stats_now *out);

/* Serves whose turn it is while there is room. */
void dispatch_admit(struct sender *s);
/* Room was made in these shares: whoever was put aside for want of it has another turn. */
void dispatch_recall(struct sender *s, const struct destination *d, const struct delivery *row);
/* Those that were put aside and whose share has room although nothing of it ended just now. */
void dispatch_recall_all(struct sender *s);

enum shaping_step {
    SHAPING_PASSED, /* it may be sent as it is */
    SHAPING_TAKEN,  /* it is in a sandbox, or has ended: it is in the lane no more */
    SHAPING_BUSY    /* the sandboxes have no room: later */
};
/* The head of a lane, whose payload is there, on its way to a request. */
enum shaping_step shaping_pass(struct sender *s, struct destination *d, struct lane *lane);

/* From here on the outcome is the writer's; `busy` and `completing` end when it is settled. */
void outcomes_hand_over(struct sender *s, struct attempt *a);
/* A delivery that ends without a request. */
void outcomes_verdict(struct sender *s, struct delivery *row, enum reason reason, const char *code,
                      const char *why);
/* An attempt that failed before a request could be made. */
void outcomes_fail(struct sender *s, struct attempt *a, enum reason reason, bool permanent,
                   const char *code, const char *why);
/* The owner functions of transfers and writer. */
void outcomes_transfer_done(void *arg, struct attempt *a, const struct classify_facts *f,
                            const char *curl_error);
void outcomes_settled(void *arg, struct attempt *a);
/* The breaker's cool-down may be over. */
void outcomes_cool(struct sender *s, struct destination *d);

/* True: it is a suspect, and waits for its turn or has ended. */
bool suspects_put_aside(struct sender *s, struct delivery *row);
void suspects_return(struct sender *s);
void suspects_survived(struct sender *s, const struct delivery *row);
/* A poison's verdict is on disk, or was refused. */
void suspects_verdict_settled(struct sender *s, const struct delivery *row, bool committed);

#endif
