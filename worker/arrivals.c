/*
 * What is new (see reading.h): the poll by snapshot and the scan of shards that were just leased.
 *
 * Owns the snapshot of the last poll. Must never advance it except by a poll that covered every shard that is held. A
 * crash loses nothing: a takeover scan finds every row.
 */
#include "worker/reading.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS 1000 /* without a notification */

/* "xmin:xmax:xip,xip,…" (pg_snapshot's text form) becomes the next poll's state. */
static void keep_snapshot(struct reader *r, const char *text)
{
    const char *xmax = strchr(text, ':');
    const char *xip = xmax ? strchr(xmax + 1, ':') : NULL;
    if (!xip || (size_t)(xip - xmax) > sizeof r->xmax)
        return;
    memcpy(r->xmax, xmax + 1, (size_t)(xip - xmax - 1));
    r->xmax[xip - xmax - 1] = '\0';
    buf_clear(&r->xip);
    buf_printf(&r->xip, "{%s}", xip + 1);
    r->has_snapshot = !r->xip.failed;
}

static void take_in(struct reader *r, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (PQgetisnull(res, i, 1))
            continue;
        int32_t webhook = (int32_t)strtol(PQgetvalue(res, i, 1), NULL, 10);
        if (PQgetisnull(res, i, 3)) { /* its settings changed: read again before anything is sent */
            struct destination *known = destinations_find(r->set.destinations, webhook);
            if (known && known->known) {
                known->known = false;
                r->settings_wanted++;
            }
            continue;
        }
        struct destination *d = destinations_get(r->set.destinations, webhook);
        if (!d)
            continue; /* out of memory: the next takeover finds it */
        if (!d->known)
            r->settings_wanted++;
        int lane = (int)strtol(PQgetvalue(res, i, 2), NULL, 10);
        lane_arrived(&d->lanes[lane], r->set.held, strtoll(PQgetvalue(res, i, 3), NULL, 10),
                     strtoll(PQgetvalue(res, i, 4), NULL, 10));
    }
}

static void polled(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!reading_good(r, res, "arrivals")) {
        r->poll_now = true;
        return;
    }
    keep_snapshot(r, PQgetvalue(res, 0, 0));
    take_in(r, res);
}

int arrivals_poll(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    pg_array_clear(&r->shards);
    leases_arrays(r->set.leases, &r->shards, NULL);
    reading_arg_array(&a, &r->shards);
    reading_arg_text(&a, r->xmax);
    reading_arg_text(&a, r->xip.data);
    r->poll_now = false;
    r->poll_at_ms = now_ms + POLL_MS;
    return reading_ask(r, pipe, WORKER_SQL_ARRIVALS, &a, false, polled);
}

static void taken_over(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!reading_good(r, res, "takeover")) {
        for (int i = 0; i < LIMIT_SHARDS; i++)
            r->fresh[i] =
                r->set.leases->state[i] == LEASE_HELD; /* scanning one twice does no harm */
        return;
    }
    /* An older snapshot covers more: the shards that were polled before go on from theirs. */
    if (!r->has_snapshot)
        keep_snapshot(r, PQgetvalue(res, 0, 0));
    take_in(r, res);
}

int arrivals_take_over(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    pg_array_clear(&r->shards);
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (r->fresh[i]) {
            pg_array_int2(&r->shards, (int16_t)i);
            r->fresh[i] = false;
        }
    reading_arg_array(&a, &r->shards);
    return reading_ask(r, pipe, WORKER_SQL_TAKEOVER, &a, false, taken_over);
}

bool arrivals_unscanned(const struct reader *r)
{
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (r->fresh[i])
            return true;
    return false;
}
