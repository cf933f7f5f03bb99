/*
 * How long a destination's last attempts took: its 95th percentile over the last 100, as far as it matters (is it above
 * LIMIT_SLOW_MS?), in 16 bytes.
 */
#ifndef DLO_WORKER_RECENT_H
#define DLO_WORKER_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#define RECENT_ATTEMPTS 100

struct recent {
    uint8_t slow[(RECENT_ATTEMPTS + 7) / 8]; /* a bit each, a ring */
    uint8_t at;
    uint8_t slow_count;
};

void recent_add(struct recent *r, bool slow);
/* More than one in twenty of the last hundred: attempts that were not made yet count as quick. */
bool recent_is_slow(const struct recent *r);

#endif
