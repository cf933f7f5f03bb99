/* See destinations.h. Memory only: a takeover scan rebuilds it. */
#include "worker/destinations.h"

#include <stdlib.h>

#define SLOTS 8192

struct destinations {
    struct destination *slots[SLOTS];
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
    destination_begin_anew(d);
    d->standing = STANDING_UNPROVEN;
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

void destinations_drop(struct destinations *t, bool (*idle)(struct destination *d, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct destination **at = &t->slots[i];
        while (*at) {
            struct destination *d = *at;
            if (!destination_idle(d) || !idle(d, arg)) {
                at = &d->next_in_slot;
                continue;
            }
            *at = d->next_in_slot;
            destination_free(d);
            t->count--;
        }
    }
}

size_t destinations_count(const struct destinations *t)
{
    return t->count;
}
