/*
 * The worker's deadlines: CLOCK_BOOTTIME, in milliseconds or microseconds. It goes on while a machine sleeps, so that
 * a lease that ran out meanwhile is seen to have run out. Never compared with a time of the database.
 */
#ifndef DLO_WORKER_CLOCK_H
#define DLO_WORKER_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static inline int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

#endif
