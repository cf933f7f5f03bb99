/* See recent.h. Pure. */
#include "worker/recent.h"

void recent_add(struct recent *r, bool slow)
{
    uint8_t *byte = &r->slow[r->at / 8];
    uint8_t bit = (uint8_t)(1u << (r->at % 8));
    r->slow_count = (uint8_t)(r->slow_count - !!(*byte & bit) + slow);
    *byte = (uint8_t)(slow ? *byte | bit : *byte & ~bit);
    r->at = (uint8_t)((r->at + 1) % RECENT_ATTEMPTS);
}

bool recent_is_slow(const struct recent *r)
{
    return r->slow_count * 20 > RECENT_ATTEMPTS;
}
