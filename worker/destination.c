/*
 * See destination.h. Owns the table, the ring and the settings (secrets are wiped when they go). Must never decide on
 * stale settings: the sender replaces them when arrivals say that they changed. Memory only.
 */
#include "worker/destination.h"

#include <stdlib.h>
#include <string.h>

#include "common/seal.h"

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

void destination_settings_release(struct destination_settings *s)
{
    url_policy_release(&s->url);
    free(s->redacted_url);
    for (int i = 0; i < s->header_count; i++)
        seal_wipe_free(s->header_lines[i], strlen(s->header_lines[i]));
    seal_wipe(s->keys, sizeof s->keys);
    memset(s, 0, sizeof *s);
}

static void destination_free(struct destination *d)
{
    destination_settings_release(&d->set);
    free(d);
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

void destinations_each(struct destinations *t, void (*each)(struct destination *d, void *arg), void *arg)
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

void destinations_drop(struct destinations *t, bool (*idle)(struct destination *d, void *arg), void *arg)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct destination **at = &t->slots[i];
        while (*at) {
            struct destination *d = *at;
            if (d->queued || d->inflight || d->completing || d->reading || d->resolving || !idle(d, arg)) {
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

bool destination_held(const struct destination *d)
{
    return d->known && (d->set.paused || !d->set.enabled || d->set.deleted);
}

static int window(const struct destination *d)
{
    int w = (int)d->window;
    return w < d->set.max_concurrency ? w : d->set.max_concurrency;
}

bool destination_may_send(const struct destination *d, int64_t now_ms)
{
    return d->known && !destination_held(d) && d->head && !d->wants_payload && d->inflight < window(d) &&
           !d->resolving && now_ms >= d->blocked_until_ms;
}

int destination_wants_heads(const struct destination *d, int64_t now_ms)
{
    if (!d->known || destination_held(d) || !d->backlog || d->reading || now_ms < d->blocked_until_ms)
        return 0;
    /* Enough that the next read comes back before the list is empty; little for the many that are slow. */
    int target = 2 * window(d);
    if (target < 2)
        target = 2;
    if (target > LIMIT_PREFETCH_PER_WEBHOOK)
        target = LIMIT_PREFETCH_PER_WEBHOOK;
    return d->queued <= target / 2 ? target - d->queued : 0;
}

void destination_arrived(struct destination *d, const struct delivery_table *held, int64_t pos, int64_t count)
{
    d->backlog = true;
    if (pos <= d->after && (count > 1 || !delivery_table_find(held, pos)))
        d->after = pos - 1;
}

/* By position, so that a rewound read finds its place; nearly always at the end. */
void destination_enqueue(struct destination *d, struct delivery *row)
{
    row->state = DELIVERY_QUEUED;
    row->dest = d;
    d->queued++;
    if (!d->tail || d->tail->pos < row->pos) {
        row->next = NULL;
        if (d->tail)
            d->tail->next = row;
        else
            d->head = row;
        d->tail = row;
        return;
    }
    struct delivery **at = &d->head;
    while ((*at)->pos < row->pos)
        at = &(*at)->next;
    row->next = *at;
    *at = row;
}

struct delivery *destination_dequeue(struct destination *d)
{
    struct delivery *row = d->head;
    if (!row)
        return NULL;
    d->head = row->next;
    if (!d->head)
        d->tail = NULL;
    d->queued--;
    row->next = NULL;
    return row;
}

void destination_forget_queue(struct destination *d, struct delivery_table *held)
{
    if (d->head) {
        if (d->head->pos <= d->after)
            d->after = d->head->pos - 1;
        d->backlog = true;
    }
    for (struct delivery *row; (row = destination_dequeue(d));) {
        delivery_table_remove(held, row);
        delivery_free(row);
    }
    d->wants_payload = false;
}

void destination_succeeded(struct destination *d)
{
    d->window += d->window < d->threshold ? 1 : 1 / d->window;
    if (d->window > d->set.max_concurrency)
        d->window = d->set.max_concurrency;
}

void destination_troubled(struct destination *d)
{
    d->window = d->window > 2 ? d->window / 2 : 1;
    d->threshold = d->window;
}
