/*
 * Owns the heap. Must never grow after timers_init: there is one timer per connection and the
 * number of connections is capped, so a full heap cannot happen. Memory only.
 */
#include "tests/peer/timers.h"

#include <stdlib.h>

static struct timer **heap; /* 1-based */
static uint32_t count;
static uint32_t limit;

int timers_init(uint32_t capacity)
{
    heap = calloc((size_t)capacity + 1, sizeof(*heap));
    limit = capacity;
    return heap ? 0 : -1;
}

void timers_release(void)
{
    free(heap);
    heap = NULL;
    count = 0;
}

static void place(struct timer *t, uint32_t slot)
{
    heap[slot] = t;
    t->slot = slot;
}

static void sift_up(struct timer *t, uint32_t slot)
{
    for (; slot > 1 && heap[slot / 2]->due_ms > t->due_ms; slot /= 2)
        place(heap[slot / 2], slot);
    place(t, slot);
}

static void sift_down(struct timer *t, uint32_t slot)
{
    for (;;) {
        uint32_t child = slot * 2;
        if (child > count)
            break;
        if (child < count && heap[child + 1]->due_ms < heap[child]->due_ms)
            child++;
        if (heap[child]->due_ms >= t->due_ms)
            break;
        place(heap[child], slot);
        slot = child;
    }
    place(t, slot);
}

void timers_clear(struct timer *t)
{
    uint32_t slot = t->slot;
    if (slot == 0)
        return;
    t->slot = 0;
    struct timer *last = heap[count--];
    if (last == t)
        return;
    if (slot > 1 && heap[slot / 2]->due_ms > last->due_ms)
        sift_up(last, slot);
    else
        sift_down(last, slot);
}

void timers_set(struct timer *t, uint64_t due_ms)
{
    timers_clear(t);
    if (count == limit)
        abort();
    t->due_ms = due_ms;
    sift_up(t, ++count);
}

struct timer *timers_due(uint64_t now_ms)
{
    if (count == 0 || heap[1]->due_ms > now_ms)
        return NULL;
    struct timer *t = heap[1];
    timers_clear(t);
    return t;
}

int timers_wait_ms(uint64_t now_ms)
{
    if (count == 0)
        return -1;
    if (heap[1]->due_ms <= now_ms)
        return 0;
    uint64_t wait = heap[1]->due_ms - now_ms;
    return wait > 60000 ? 60000 : (int)wait;
}
