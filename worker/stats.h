/*
 * A sender's counters since its start: written to senders.stats with each lease renewal, shown by /metrics, and one log
 * line a minute. The names are Prometheus series, labels and all; /metrics adds which sender it is. Every label has a
 * closed set of values.
 */
#ifndef DLO_WORKER_STATS_H
#define DLO_WORKER_STATS_H

#include <stdint.h>

#include "common/buf.h"
#include "common/states.h"
#include "worker/attempt.h"
#include "worker/breaker.h"
#include "worker/shape_code.h"
#include "worker/writer.h"

#define STATS_BUCKETS 13 /* upper bounds in milliseconds: stats_bounds_ms */

struct stats_histogram {
    int64_t counts[STATS_BUCKETS + 1];
    int64_t sum_us;
};

struct stats {
    int64_t attempts[OUTCOME_CANCELLED][CLASS_REPLAY + 1];
    int64_t reasons[REASON_COUNT];
    struct stats_histogram total;      /* the whole request, whatever became of it */
    struct stats_histogram first_byte; /* of those that got one */
    int64_t verdicts;
    int64_t resent;      /* requests written a second time within their attempt, see transfers.c */
    int64_t circuits[3]; /* changes into each state */
    int64_t shapings[SHAPE_UNAVAILABLE + 1], shaping_us;
};

extern const int stats_bounds_ms[STATS_BUCKETS];

void stats_attempt(struct stats *s, const struct attempt *a);
/* A delivery, or a trial, came back from its sandbox. */
void stats_shaping(struct stats *s, enum shape_result result, int64_t elapsed_us);
void stats_circuit(struct stats *s, enum breaker_state to);
/* Appends them as one flat JSON object: numbers, and "transforms", whether this sender can run any. */
void stats_json(const struct stats *s, const struct writer_stats *w, int inflight, int shards,
                size_t held, bool transforms, struct buf *out);
/* The line a minute: what happened since `before`, which is brought up to date. */
void stats_log(const struct stats *s, struct stats *before, const struct writer_stats *w,
               int inflight, int shards);

#endif
