/*
 * Breakers that changed (see reading.h), written so that the state survives this process and can be shown.
 *
 * Many at once, and not all the time: a thousand receivers that die together must not keep the reader from everybody
 * else's rows. A write that is lost is asked again with whatever the state is by then. Whoever takes the shard over reads
 * the row with the webhook's settings.
 */
#include "worker/reading.h"

#include <string.h>

#define CIRCUITS_PER_WRITE 256
#define CIRCUITS_MS 100

static void lost(struct destination *d, void *arg)
{
    if (d->breaker_saving)
        reader_breaker_changed(arg, d);
    d->breaker_saving = false;
}

static void written(struct destination *d, void *unused)
{
    (void)unused;
    d->breaker_saving = false;
}

static void saved(void *arg, PGresult *res)
{
    struct reader *r = arg;
    bool good = reading_good(r, res, "circuits_save");
    destinations_each(r->set.destinations, good ? written : lost, r);
}

/* The deliveries that opened it, as the text of an array. */
static const char *cited(const struct breaker *b, char out[BREAKER_CITED * (IDS_HEX_MAX + 1) + 3])
{
    char *to = out;
    *to++ = '{';
    for (int i = 0; i < b->ncited; i++) {
        if (i)
            *to++ = ',';
        ids_to_hex(&b->cited[i], to);
        to += strlen(to);
    }
    *to++ = '}';
    *to = '\0';
    return out;
}

struct unsaved {
    struct reader *r;
    int64_t now_ms;
    int left; /* for the next write */
};

static void add_unsaved(struct destination *d, void *arg)
{
    struct unsaved *u = arg;
    struct reader *r = u->r;
    const struct breaker *b = &d->breaker;
    char list[BREAKER_CITED * (IDS_HEX_MAX + 1) + 3];
    if (!d->breaker_unsaved)
        return;
    if (r->ints.count >= CIRCUITS_PER_WRITE) {
        u->left++;
        return;
    }
    pg_array_int4(&r->ints, d->webhook_id);
    pg_array_int2(&r->classes, (int16_t)b->state);
    pg_array_int8(&r->longs, b->until_ms > u->now_ms ? b->until_ms - u->now_ms : 0);
    pg_array_int8(&r->cooldowns, b->cooldown_ms);
    pg_array_int4(&r->ints2, b->failures);
    pg_array_int4(&r->requests, b->requests);
    pg_array_text(&r->cited, cited(b, list));
    d->breaker_unsaved = false;
    d->breaker_saving = true;
}

int circuits_save(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct pg_array *const arrays[] = {&r->ints,  &r->classes,  &r->longs, &r->cooldowns,
                                       &r->ints2, &r->requests, &r->cited};
    struct reading_args a = {0};
    struct unsaved u = {.r = r, .now_ms = now_ms};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        pg_array_clear(arrays[i]);
    destinations_each(r->set.destinations, add_unsaved, &u);
    r->unsaved = u.left;
    if (!r->ints.count)
        return -1;
    r->circuits_at_ms = now_ms + CIRCUITS_MS;
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        reading_arg_array(&a, arrays[i]);
    int rc = reading_ask(r, pipe, WORKER_SQL_CIRCUITS_SAVE, &a, false, saved);
    if (rc)
        destinations_each(r->set.destinations, lost, r);
    return rc;
}
