/*
 * What waits for a time (see reading.h): retries that have become due, and rows that were held for too long.
 */
#include "worker/reading.h"

#include <stdlib.h>

#include "worker/clock.h"
#include "worker/row.h"

#define HOLDS_MS 1000
#define PROMOTE_MS 1000 /* at least so often: the database's clock is not ours */

static void promoted(void *arg, PGresult *res)
{
    struct reader *r = arg;
    int64_t now_ms = clock_ms();
    if (!reading_good(r, res, "promote"))
        return;
    int64_t moved = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    int64_t next = PQgetisnull(res, 0, 1) ? PROMOTE_MS : strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    if (next > PROMOTE_MS)
        next = PROMOTE_MS; /* the database's clock is not ours */
    r->promote_at_ms = now_ms + (next > 1 ? next : 1);
    if (moved)
        r->poll_now = true;
}

int waiting_promote(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    pg_array_clear(&r->shards);
    leases_readable(r->set.leases, &r->shards);
    reading_arg_array(&a, &r->shards);
    r->promote_at_ms = now_ms + PROMOTE_MS;
    return reading_ask(r, pipe, WORKER_SQL_PROMOTE, &a, false, promoted);
}

static void overdue(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!reading_good(r, res, "overdue_holds"))
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *dest = destinations_find(r->set.destinations, row_int4(res, i, 2));
        if (!dest || !destination_held(dest) ||
            delivery_table_find(r->set.held, row_int8(res, i, 1)))
            continue;
        struct delivery *row = delivery_new(NULL, 0, NULL, 0, NULL, 0);
        if (!row)
            return;
        row_read(res, i, row);
        row->dest = dest;
        delivery_table_add(r->set.held, row);
        r->holds_at_ms = 0; /* there may be more */
        r->owner.ends(r->owner.arg, row, REASON_ENDPOINT_DISABLED,
                      dest->set.deleted ? "webhook_deleted" : "hold_budget_used",
                      dest->set.deleted ? "the webhook was deleted"
                      : dest->set.paused
                          ? "the webhook was paused for longer than its hold budget"
                          : "the webhook was disabled for longer than its hold budget");
    }
}

static void want_holds(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (!destination_held(d) || r->shards.count >= LIMIT_HEADS_ROWS ||
        r->set.leases->state[d->shard] != LEASE_HELD)
        return;
    pg_array_int2(&r->shards, d->shard);
    pg_array_int4(&r->ints, d->webhook_id);
    pg_array_int4(&r->ints2, d->set.deleted ? 0 : d->set.hold_budget_s);
}

int waiting_ask_holds(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    r->holds_at_ms = now_ms + HOLDS_MS;
    pg_array_clear(&r->shards);
    pg_array_clear(&r->ints);
    pg_array_clear(&r->ints2);
    destinations_each(r->set.destinations, want_holds, r);
    if (!r->shards.count)
        return -1;
    reading_arg_array(&a, &r->shards);
    reading_arg_array(&a, &r->ints);
    reading_arg_array(&a, &r->ints2);
    return reading_ask(r, pipe, WORKER_SQL_OVERDUE_HOLDS, &a, true, overdue);
}
