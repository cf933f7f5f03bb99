/* See bucket.h. Pure. */
#include "worker/bucket.h"

static double filled(const struct bucket *b, double per_second, int64_t now_ms)
{
    double most = per_second < 1 ? 1 : per_second;
    double tokens = b->tokens + (double)(now_ms - b->at_ms) * per_second / 1000;
    return !b->at_ms || tokens > most ? most : tokens;
}

bool bucket_has(const struct bucket *b, double per_second, int64_t now_ms)
{
    return per_second <= 0 || filled(b, per_second, now_ms) >= 1;
}

void bucket_take(struct bucket *b, double per_second, int64_t now_ms)
{
    if (per_second <= 0)
        return;
    b->tokens = filled(b, per_second, now_ms) - 1;
    b->at_ms = now_ms;
}
