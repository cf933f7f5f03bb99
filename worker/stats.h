/*
 * A sender's counters since its start, and its gauges at a moment: written to senders.stats with each lease renewal,
 * shown by /metrics, and one log line a minute. The names are Prometheus series, labels and all; /metrics adds which
 * sender it is. Every label has a closed set of values. What each means is in common/family.c and docs/METRICS.md.
 */
#ifndef DLO_WORKER_STATS_H
#define DLO_WORKER_STATS_H

#include <stdint.h>

#include "common/buf.h"
#include "common/states.h"
#include "worker/admission.h"
#include "worker/attempt.h"
#include "worker/breaker.h"
#include "worker/histogram.h"
#include "worker/leases.h"
#include "worker/resolver.h"
#include "worker/shape_code.h"
#include "worker/writer.h"

#define STATS_BLOCKED 200 /* webhooks whose rows /metrics counts as held by a Retry-After */

struct stats {
    int64_t attempts[OUTCOME_CANCELLED][CLASS_REPLAY + 1];
    int64_t reasons[REASON_COUNT];
    struct histogram total;      /* the whole request, whatever became of it */
    struct histogram first_byte; /* of those that got one */
    int64_t verdicts;
    int64_t resent;      /* requests written a second time within their attempt, see transfers.c */
    int64_t circuits[3]; /* changes into each state */
    int64_t shapings[SHAPE_UNAVAILABLE + 1], shaping_us;
};

/* Why a destination with something waiting is not served. */
enum stats_hold {
    STATS_HOLD_DELETED,
    STATS_HOLD_DISABLED,
    STATS_HOLD_PAUSED,
    STATS_HOLD_CIRCUIT,
    STATS_HOLD_RETRY_AFTER,
    STATS_HOLD_RATE,
    STATS_HOLDS
};

/* How things are now; the pointers are the owners'. */
struct stats_now {
    const struct admission *admission;
    const struct leases *leases;
    const struct writer_stats *writer;
    struct resolver_counts names;
    int outcomes_waiting;
    bool transforms; /* a sandbox can be had */
    int sandboxes_busy, shapings_waiting;
    size_t rows;         /* read ahead or under way */
    size_t destinations; /* known */
    int held[STATS_HOLDS];
    int32_t blocked[STATS_BLOCKED];
    int nblocked;
};

/* What the last line of the log knew. */
struct stats_minute {
    int64_t at_ms;
    struct stats stats;
    struct writer_stats writer;
    struct resolver_counts names;
};

void stats_attempt(struct stats *s, const struct attempt *a);
/* A delivery, or a trial, came back from its sandbox. */
void stats_shaping(struct stats *s, enum shape_result result, int64_t elapsed_us);
void stats_circuit(struct stats *s, enum breaker_state to);
/* Appends them as one flat JSON object of numbers, the list `blocked`, and `transforms`. */
void stats_json(const struct stats *s, const struct stats_now *now, struct buf *out);
/* The line a minute: what happened since `before`, which is brought up to date. */
void stats_log(const struct stats *s, const struct stats_now *now, struct stats_minute *before,
               int64_t now_ms);

#endif
