/*
 * Destinations that have recovered (see reading.h), told to the maintainer, which re-drives what their webhooks ask for.
 *
 * One statement for many of them and at most one a second: nothing waits for it. One that is lost is told again.
 */
#include "worker/reading.h"

#define RECOVERIES_PER_WRITE 256
#define RECOVERIES_MS 1000

static void lost(struct destination *d, void *reader)
{
    if (recovery_told(&d->recovery, false))
        reader_recovered(reader);
}

static void written(struct destination *d, void *unused)
{
    (void)unused;
    recovery_told(&d->recovery, true);
}

static void told(void *arg, PGresult *res)
{
    struct reader *r = arg;
    bool good = reading_good(r, res, "recoveries_tell");
    destinations_each(r->set.destinations, good ? written : lost, r);
}

static void add_untold(struct destination *d, void *reader)
{
    struct reader *r = reader;
    if (!d->recovery.untold)
        return;
    if (r->ints.count >= RECOVERIES_PER_WRITE) {
        r->recovered = true; /* the rest, next time */
        return;
    }
    pg_array_int4(&r->ints, d->webhook_id);
    recovery_telling(&d->recovery);
}

int recoveries_tell(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    pg_array_clear(&r->ints);
    r->recovered = false;
    r->recoveries_at_ms = now_ms + RECOVERIES_MS;
    destinations_each(r->set.destinations, add_untold, r);
    if (!r->ints.count)
        return -1;
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    reading_arg_array(&a, &r->ints);
    int rc = reading_ask(r, pipe, WORKER_SQL_RECOVERIES_TELL, &a, false, told);
    if (rc)
        destinations_each(r->set.destinations, lost, r);
    return rc;
}
