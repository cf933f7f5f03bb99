/*
 * Owns the mapping between a duration and its bucket. Must never allocate or fail: it is called for
 * every request of a benchmark. Nothing outlives the process.
 */
#include "tests/bench/hist.h"

#define LINEAR 64u   /* values below are counted exactly */
#define SUB_BITS 5u  /* 32 buckets per octave above */
#define FIRST_EXP 6u /* log2(LINEAR) */

static unsigned bucket_of(uint64_t us)
{
    if (us < LINEAR)
        return (unsigned)us;
    unsigned exp = 63u - (unsigned)__builtin_clzll(us);
    unsigned sub = (unsigned)(us >> (exp - SUB_BITS)) & ((1u << SUB_BITS) - 1);
    unsigned index = LINEAR + ((exp - FIRST_EXP) << SUB_BITS) + sub;
    return index < HIST_BUCKETS ? index : HIST_BUCKETS - 1;
}

/* The middle of a bucket, so that the error has no direction. */
static double middle_of(unsigned index)
{
    if (index < LINEAR)
        return (double)index;
    unsigned exp = FIRST_EXP + ((index - LINEAR) >> SUB_BITS);
    unsigned sub = (index - LINEAR) & ((1u << SUB_BITS) - 1);
    double width = (double)(1ull << (exp - SUB_BITS));
    return (double)(1ull << exp) + ((double)sub + 0.5) * width;
}

void hist_add(struct hist *h, uint64_t us)
{
    h->count++;
    h->bucket[bucket_of(us)]++;
    if (us > h->max_us)
        h->max_us = us;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    into->count += from->count;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

double hist_quantile_ms(const struct hist *h, double q)
{
    double wanted = q * (double)h->count;
    uint64_t below = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        below += h->bucket[i];
        if (below > 0 && (double)below >= wanted)
            return middle_of(i) / 1000.0;
    }
    return 0;
}

double hist_max_ms(const struct hist *h)
{
    return (double)h->max_us / 1000.0;
}
