/*
 * Deadlines in order: a binary heap of timers that live inside what they belong to. Times are
 * milliseconds of CLOCK_MONOTONIC, read once per loop and passed in.
 */
#ifndef PEER_TIMERS_H
#define PEER_TIMERS_H

#include <stdint.h>

struct timer {
    uint64_t due_ms;
    uint32_t slot; /* 1-based place in the heap; 0: not set */
};

int timers_init(uint32_t capacity); /* how many may be set at once; -1: no memory */
void timers_release(void);
void timers_set(struct timer *t, uint64_t due_ms); /* also moves one that is set */
void timers_clear(struct timer *t);
struct timer *timers_due(uint64_t now_ms); /* removes and returns one that is due, or NULL */
int timers_wait_ms(uint64_t now_ms);       /* until the next one; -1: none is set */

#endif
