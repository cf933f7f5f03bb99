/* See histogram.h. Memory only. */
#include "worker/histogram.h"

const struct histogram_bounds histogram_seconds = {
    13, {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}};
const struct histogram_bounds histogram_rows = {10, {1, 2, 5, 10, 20, 50, 100, 200, 350, 500}};

void histogram_observe(struct histogram *h, const struct histogram_bounds *b, double value)
{
    int bucket = 0;
    while (bucket < b->n && value > b->upper[bucket])
        bucket++;
    h->counts[bucket]++;
    h->sum += value;
}

double histogram_quantile(const struct histogram *h, const struct histogram *before,
                          const struct histogram_bounds *b, double share)
{
    int64_t all = 0, below = 0;
    for (int i = 0; i <= b->n; i++)
        all += h->counts[i] - before->counts[i];
    for (int i = 0; i < b->n; i++) {
        below += h->counts[i] - before->counts[i];
        if (all && (double)below >= share * (double)all)
            return b->upper[i];
    }
    return all ? b->upper[b->n - 1] : 0;
}
