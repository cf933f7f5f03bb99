/*
 * Counts of observations by size, as Prometheus has histograms. The bounds are kept beside, once for each kind.
 */
#ifndef DLO_WORKER_HISTOGRAM_H
#define DLO_WORKER_HISTOGRAM_H

#include <stdint.h>

#include "common/buf.h"

#define HISTOGRAM_BUCKETS 13

struct histogram_bounds {
    int n;
    double upper[HISTOGRAM_BUCKETS]; /* inclusive, ascending; beyond the last is one bucket more */
};

struct histogram {
    int64_t counts[HISTOGRAM_BUCKETS + 1];
    double sum;
};

extern const struct histogram_bounds histogram_seconds;
extern const struct histogram_bounds histogram_rows;

void histogram_observe(struct histogram *h, const struct histogram_bounds *b, double value);
/* The bound below which that share (0 to 1) of what was observed since `before` lies; 0: nothing was, and the last bound
 * for what lies beyond it. */
double histogram_quantile(const struct histogram *h, const struct histogram *before,
                          const struct histogram_bounds *b, double share);

#endif
