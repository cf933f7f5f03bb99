/* See destinations.h. Memory only: a takeover scan rebuilds it. */
#include "worker/destinations.h"

#include <stdlib.h>

#define SLOTS 8192

struct destinations {
    struct destination *slots[SLOTS];
    struct destination *ring_head, *ring_tail;
    size_t count;
};

struct destinations *destinations_new(void)
{
    return calloc(1, sizeof(struct destinations));
}

void destinations_free(struct destinations *t)
{
    for (size_t i = 0; t && i < SLOTS; i++)
        while (t->slots[i]) {
            struct destination *d = t->slots[i];
            t->slots[i] = d->next_in_slot;
            destination_free(d);
        }
    free(t);
}

static size_t slot(int32_t webhook_id)
{
    return (uint32_t)webhook_id * 2654435761u >> 19 & (SLOTS - 1);
}

struct destination *destinations_find(const struct destinations *t, int32_t webhook_id)
{
    struct destination *d = t->slots[slot(webhook_id)];
    while (d && d->webhook_id != webhook_id)
        d = d->next_in_slot;
    return d;
}

struct destination *destinations_get(struct destinations *t, int32_t webhook_id)
{
    struct destination *d = destinations_find(t, webhook_id);
    if (d || !(d = calloc(1, sizeof *d)))
        return d;
    d->webhook_id = webhook_id;
    d->window = 1;
    d->threshold = LIMIT_CONCURRENCY;
    d->next_in_slot = t->slots[slot(webhook_id)];
    t->slots[slot(webhook_id)] = d;
    t->count++;
    return d;
}

void destinations_each(struct destinations *t, void (*each)(struct destination *d, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < SLOTS; i++)
        for (struct destination *d = t->slots[i]; d; d = d->next_in_slot)
            each(d, arg);
}

static void leave_ring(struct destinations *t, struct destination *gone)
{
    struct destination **at = &t->ring_head, *last = NULL;
    while (*at && *at != gone) {
        last = *at;
        at = &(*at)->next_ready;
    }
    if (!*at)
        return;
    *at = gone->next_ready;
    if (t->ring_tail == gone)
        t->ring_tail = last;
    gone->in_ring = false;
}

void destinations_drop(struct destinations *t, bool (*idle)(struct destination *d, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct destination **at = &t->slots[i];
        while (*at) {
            struct destination *d = *at;
            if (d->queued || d->inflight || d->completing || d->reading || d->resolving ||
                !idle(d, arg)) {
                at = &d->next_in_slot;
                continue;
            }
            *at = d->next_in_slot;
            if (d->in_ring)
                leave_ring(t, d);
            destination_free(d);
            t->count--;
        }
    }
}

size_t destinations_count(const struct destinations *t)
{
    return t->count;
}

struct destination *destinations_next(struct destinations *t)
{
    struct destination *d = t->ring_head;
    if (!d)
        return NULL;
    t->ring_head = d->next_ready;
    if (!t->ring_head)
        t->ring_tail = NULL;
    d->next_ready = NULL;
    d->in_ring = false;
    return d;
}

bool destinations_waiting(const struct destinations *t)
{
    return t->ring_head != NULL;
}

void destinations_offer(struct destinations *t, struct destination *d, int64_t now_ms)
{
    if (d->in_ring || !destination_may_send(d, now_ms))
        return;
    d->in_ring = true;
    d->next_ready = NULL;
    if (t->ring_tail)
        t->ring_tail->next_ready = d;
    else
        t->ring_head = d;
    t->ring_tail = d;
}
