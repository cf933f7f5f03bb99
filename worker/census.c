/* How things are in a sender at a moment (see sending.h), for its statistics. Reads only. */
#include "worker/sending.h"

struct census {
    const struct sender *s;
    struct stats_now *out;
};

static bool has_something(const struct destination *d)
{
    bool any = destination_has_backlog(d);
    for (int i = 0; i < LANES; i++)
        any = any || d->lanes[i].head;
    return any;
}

/* The first that holds, as in waiting.c; STATS_HOLDS: none does. */
static enum stats_hold hold_of(const struct destination *d, int64_t now_ms)
{
    const struct {
        bool holds;
        enum stats_hold hold;
    } all[] = {
        {d->set.deleted, STATS_HOLD_DELETED},
        {!d->set.enabled, STATS_HOLD_DISABLED},
        {d->set.paused, STATS_HOLD_PAUSED},
        {d->breaker.state != BREAKER_CLOSED, STATS_HOLD_CIRCUIT},
        {now_ms < d->blocked_until_ms, STATS_HOLD_RETRY_AFTER},
        {!bucket_has(&d->rate, d->set.rate_per_second, now_ms), STATS_HOLD_RATE},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].holds)
            return all[i].hold;
    return STATS_HOLDS;
}

static void count(struct destination *d, void *arg)
{
    struct census *c = arg;
    if (!d->known || !has_something(d))
        return;
    enum stats_hold hold = hold_of(d, c->s->now_ms);
    if (hold == STATS_HOLDS)
        return;
    c->out->held[hold]++;
    if (hold == STATS_HOLD_RETRY_AFTER && c->out->nblocked < STATS_BLOCKED)
        c->out->blocked[c->out->nblocked++] = d->webhook_id;
}

void census_take(const struct sender *s, struct stats_now *out)
{
    struct census c = {s, out};
    *out = (struct stats_now){.admission = &s->admission,
                              .leases = &s->leases,
                              .writer = writer_stats(s->writer),
                              .outcomes_waiting = writer_waiting(s->writer),
                              .rows = delivery_table_count(s->held),
                              .destinations = destinations_count(s->destinations)};
    out->transforms = sandboxes_available(s->sandboxes);
    out->sandboxes_busy = sandboxes_busy(s->sandboxes);
    out->shapings_waiting = sandboxes_waiting(s->sandboxes);
    resolver_count(s->resolver, &out->names);
    destinations_each(s->destinations, count, &c);
}
