/*
 * What waits for a time (see reading.h): retries that have become due, and rows that were held for too long.
 */
#include "worker/reading.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker/clock.h"
#include "worker/row.h"

#define HOLDS_MS 1000
#define PROMOTE_STEP 5  /* promote.sql: 200 rows of a shard, 1,000 in all */
#define PROMOTE_MS 1000 /* at least so often: the database's clock is not ours */
#define PROMOTE_REST_MS                                                                            \
    50 /* many retries at once share a transaction: a second's wait is no finer */
#define PROMOTE_MOST 1000 /* what promote.sql moves at most */

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
    int64_t rest = moved < PROMOTE_MOST ? PROMOTE_REST_MS : 0;
    r->promote_at_ms = now_ms + (next > rest ? next : rest);
    if (moved)
        r->poll_now = true;
}

int waiting_promote(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    pg_array_clear(&r->shards);
    /* a statement moves what is due in the first few that have much: others come first next time */
    leases_readable(r->set.leases, &r->shards, r->promote_from);
    r->promote_from = (r->promote_from + PROMOTE_STEP) % LIMIT_SHARDS;
    reading_arg_array(&a, &r->shards);
    r->promote_at_ms = now_ms + PROMOTE_MS;
    return reading_ask(r, pipe, WORKER_SQL_PROMOTE, &a, false, promoted);
}

/* Why a destination's rows are held, the first that holds, and what an entry says that waited for too long. */
static bool is_deleted(const struct destination *d, int64_t now_ms)
{
    (void)now_ms;
    return d->set.deleted;
}

static bool is_disabled(const struct destination *d, int64_t now_ms)
{
    (void)now_ms;
    return !d->set.enabled;
}

static bool is_paused(const struct destination *d, int64_t now_ms)
{
    (void)now_ms;
    return d->set.paused;
}

static bool is_broken(const struct destination *d, int64_t now_ms)
{
    (void)now_ms;
    return d->breaker.state != BREAKER_CLOSED;
}

static bool is_blocked(const struct destination *d, int64_t now_ms)
{
    return now_ms < d->blocked_until_ms;
}

static const struct hold {
    bool (*holds)(const struct destination *d, int64_t now_ms);
    enum reason reason;
    const char *code, *why;
} holds[] = {
    {is_deleted, REASON_ENDPOINT_DISABLED, "webhook_deleted", "the webhook was deleted"},
    {is_disabled, REASON_ENDPOINT_DISABLED, "hold_budget_used",
     "the webhook was disabled for longer than its hold budget"},
    {is_paused, REASON_ENDPOINT_DISABLED, "hold_budget_used",
     "the webhook was paused for longer than its hold budget"},
    {is_broken, REASON_CIRCUIT_OPEN, "hold_budget_used",
     "the circuit was open for longer than the hold budget"},
    {is_blocked, REASON_CIRCUIT_OPEN, "hold_budget_used", NULL}, /* the destination says why */
};

/* NULL: they are not. */
static const struct hold *hold_of(const struct destination *d, int64_t now_ms)
{
    for (size_t i = 0; d->known && i < sizeof holds / sizeof *holds; i++)
        if (holds[i].holds(d, now_ms))
            return &holds[i];
    return NULL;
}

/* The sentence, and for a circuit which attempts opened it. */
static const char *explain(const struct destination *d, const struct hold *hold, char out[320])
{
    const struct breaker *b = &d->breaker;
    if (!hold->why)
        return d->blocked_why;
    if (hold->holds != is_broken || !b->ncited)
        return hold->why;
    int n = snprintf(out, 320, "%s; opened by", hold->why);
    for (int i = 0; i < b->ncited; i++) {
        char id[IDS_TEXT_MAX];
        ids_format(ID_DELIVERY, &b->cited[i], id);
        n += snprintf(out + n, (size_t)(320 - n), "%s %s", i ? "," : "", id);
    }
    return out;
}

static void overdue(void *arg, PGresult *res)
{
    struct reader *r = arg;
    char why[320];
    if (!reading_good(r, res, "overdue_holds"))
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *dest = destinations_find(r->set.destinations, row_int4(res, i, 2));
        const struct hold *hold = dest ? hold_of(dest, clock_ms()) : NULL;
        if (!hold || delivery_table_find(r->set.held, row_int8(res, i, 1)))
            continue;
        const char *channel = PQgetisnull(res, i, 13) ? NULL : PQgetvalue(res, i, 13);
        struct delivery *row =
            delivery_new(NULL, 0, channel, (size_t)PQgetlength(res, i, 13), NULL, 0);
        if (!row)
            return;
        if (!PQgetisnull(res, i, 14) && delivery_aim(row, PQgetvalue(res, i, 14), r->set.allow)) {
            delivery_free(row);
            return;
        }
        row_read(res, i, row);
        row->dest = dest;
        delivery_table_add(r->set.held, row);
        r->holds_at_ms = 0; /* there may be more */
        r->owner.ends(r->owner.arg, row, hold->reason, hold->code, explain(dest, hold, why));
    }
}

struct holds_request {
    struct reader *r;
    int64_t now_ms;
    unsigned seen, from;
};

static void want_holds(struct destination *d, void *arg)
{
    struct holds_request *q = arg;
    struct reader *r = q->r;
    if (q->seen++ < q->from || r->shards.count >= LIMIT_HEADS_ROWS || !destination_has_backlog(d) ||
        !hold_of(d, q->now_ms) || r->set.leases->state[d->shard] != LEASE_HELD)
        return;
    pg_array_int2(&r->shards, d->shard);
    pg_array_int4(&r->ints, d->webhook_id);
    pg_array_int4(&r->ints2, d->set.deleted ? 0 : d->set.hold_budget_s);
    if (r->shards.count >= LIMIT_HEADS_ROWS)
        r->holds_turn = q->seen; /* the next question goes on behind this one */
}

int waiting_ask_holds(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    r->holds_at_ms = now_ms + HOLDS_MS;
    pg_array_clear(&r->shards);
    pg_array_clear(&r->ints);
    pg_array_clear(&r->ints2);
    struct holds_request q = {.r = r, .now_ms = now_ms, .from = r->holds_turn};
    r->holds_turn = 0;
    destinations_each(r->set.destinations, want_holds, &q);
    if (!r->shards.count)
        return -1;
    reading_arg_array(&a, &r->shards);
    reading_arg_array(&a, &r->ints);
    reading_arg_array(&a, &r->ints2);
    return reading_ask(r, pipe, WORKER_SQL_OVERDUE_HOLDS, &a, true, overdue);
}
