/*
 * A histogram of durations: one linear octave, then 32 buckets per power of two, so that any
 * quantile is right within 2 % and the whole thing is 4 KiB. Values are microseconds in,
 * milliseconds out. No allocation, no failure; a zeroed struct is an empty histogram.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_BUCKETS 1024

struct hist {
    uint64_t count;
    uint64_t max_us;
    uint32_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t us);
void hist_merge(struct hist *into, const struct hist *from);

/* The value below which the share `q` (0..1) of all values lies; 0 when empty. */
double hist_quantile_ms(const struct hist *h, double q);
double hist_max_ms(const struct hist *h);

#endif
