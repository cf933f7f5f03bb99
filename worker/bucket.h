/*
 * A token bucket: at most `per_second` on average, bursts of a second's worth (at least one).
 */
#ifndef DLO_WORKER_BUCKET_H
#define DLO_WORKER_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    double tokens;
    int64_t at_ms; /* when `tokens` was true; 0: never filled, that is full */
};

/* per_second <= 0: no limit. */
bool bucket_has(const struct bucket *b, double per_second, int64_t now_ms);
void bucket_take(struct bucket *b, double per_second, int64_t now_ms);

#endif
