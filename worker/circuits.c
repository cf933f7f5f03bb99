/*
 * Breakers that changed (see reading.h), written so that the state survives this process and can be shown.
 *
 * A write that is lost is asked again with whatever the state is by then. Whoever takes the shard over reads the row with
 * the webhook's settings.
 */
#include "worker/reading.h"

#include <stdio.h>

#include "worker/clock.h"

static void saved(void *arg, PGresult *res)
{
    struct reader *r = arg;
    struct destination *d = destinations_find(r->set.destinations, r->circuit_webhook);
    if (reading_good(r, res, "circuit_save") || !d)
        return;
    reader_breaker_changed(r, d);
}

struct unsaved {
    struct destination *first;
    int count;
};

static void find_unsaved(struct destination *d, void *arg)
{
    struct unsaved *u = arg;
    if (!d->breaker_unsaved)
        return;
    u->first = u->first ? u->first : d;
    u->count++;
}

int circuits_save(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct unsaved u = {0};
    destinations_each(r->set.destinations, find_unsaved, &u);
    r->unsaved = u.count - (u.count > 0);
    if (!u.first)
        return -1;
    const struct breaker *b = &u.first->breaker;
    struct reading_args a = {0};
    struct pg_array cited;
    char webhook[16], state[8], left[24], cooldown[24], failures[16], requests[16];
    pg_array_init(&cited, PG_UUID, 4096);
    for (int i = 0; i < b->ncited; i++)
        pg_array_uuid(&cited, &b->cited[i]);
    snprintf(webhook, sizeof webhook, "%d", u.first->webhook_id);
    snprintf(state, sizeof state, "%d", (int)b->state);
    snprintf(left, sizeof left, "%lld",
             (long long)(b->until_ms > now_ms ? b->until_ms - now_ms : 0));
    snprintf(cooldown, sizeof cooldown, "%lld", (long long)b->cooldown_ms);
    snprintf(failures, sizeof failures, "%d", b->failures);
    snprintf(requests, sizeof requests, "%d", b->requests);
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    reading_arg_text(&a, webhook);
    reading_arg_text(&a, state);
    reading_arg_text(&a, left);
    reading_arg_text(&a, cooldown);
    reading_arg_text(&a, failures);
    reading_arg_text(&a, requests);
    reading_arg_array(&a, &cited);
    u.first->breaker_unsaved = false;
    r->circuit_webhook = u.first->webhook_id;
    int rc = reading_ask(r, pipe, WORKER_SQL_CIRCUIT_SAVE, &a, false, saved);
    pg_array_release(&cited);
    if (rc)
        reader_breaker_changed(r, u.first);
    return rc;
}
