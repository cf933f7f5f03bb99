/*
 * See destination.h. Owns the settings of one destination (secrets are wiped when they go) and what was read ahead for
 * it. Must never decide on stale settings: the reader replaces them when arrivals say that they changed. Memory only.
 */
#include "worker/destination.h"

#include <stdlib.h>
#include <string.h>

#include "common/seal.h"

void destination_settings_release(struct destination_settings *s)
{
    url_policy_release(&s->url);
    free(s->redacted_url);
    for (int i = 0; i < s->header_count; i++)
        seal_wipe_free(s->header_lines[i], strlen(s->header_lines[i]));
    seal_wipe(s->keys, sizeof s->keys);
    free(s->tls_ca);
    seal_wipe_free(s->tls_client, s->tls_client_len);
    memset(s, 0, sizeof *s);
}

void destination_free(struct destination *d)
{
    destination_settings_release(&d->set);
    free(d);
}

bool destination_held(const struct destination *d)
{
    return d->known && (d->set.paused || !d->set.enabled || d->set.deleted);
}

static int window(const struct destination *d)
{
    int most = d->set.max_concurrency < LIMIT_WINDOW ? d->set.max_concurrency : LIMIT_WINDOW;
    return (int)d->window < most ? (int)d->window : most;
}

bool destination_may_send(const struct destination *d, int64_t now_ms)
{
    return d->known && !destination_held(d) && d->head && !d->wants_payload &&
           d->inflight < window(d) && !d->resolving && now_ms >= d->blocked_until_ms;
}

int destination_wants_heads(const struct destination *d, int64_t now_ms, int least)
{
    if (!d->known || destination_held(d) || !d->backlog || d->reading ||
        now_ms < d->blocked_until_ms)
        return 0;
    /* Enough that the next read comes back before the list is empty; little for the many that are slow. */
    int target = 2 * window(d);
    if (target < least)
        target = least;
    if (target > LIMIT_PREFETCH_PER_WEBHOOK)
        target = LIMIT_PREFETCH_PER_WEBHOOK;
    return d->queued <= target / 2 ? target - d->queued : 0;
}

void destination_arrived(struct destination *d, const struct delivery_table *held, int64_t pos,
                         int64_t count)
{
    d->backlog = true;
    if (pos <= d->after && (count > 1 || !delivery_table_find(held, pos)))
        d->after = pos - 1;
}

void destination_rewind(struct destination *d, int64_t pos)
{
    d->backlog = true;
    d->reading = false;
    if (pos <= d->after)
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
    if (d->head == row)
        d->wants_payload = false; /* that was for the row behind it */
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
    if (d->head)
        destination_rewind(d, d->head->pos);
    else if (d->reading)
        destination_rewind(d, d->after + 1);
    for (struct delivery *row; (row = destination_dequeue(d));) {
        delivery_table_remove(held, row);
        delivery_free(row);
    }
    d->wants_payload = false;
}

void destination_succeeded(struct destination *d, bool spare)
{
    d->in_trouble = false;
    if (!spare)
        return;
    d->window += d->window < d->threshold ? 1 : 1 / d->window;
    if (d->window > d->set.max_concurrency)
        d->window = d->set.max_concurrency;
}

void destination_troubled(struct destination *d)
{
    d->in_trouble = true;
    d->window = d->window > 2 ? d->window / 2 : 1;
    d->threshold = d->window;
}
