/*
 * The leases of a reader (see reading.h): joining, renewing, giving back, leaving.
 *
 * Must never count a lease from when its renewal was answered: it counts from before it was sent. A crash leaves leases
 * that end by themselves, or that the replacement takes over by the dead owner's name.
 */
#include "worker/reading.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/clock.h"

#define SETTLE_MS                                                                                  \
    150 /* senders that start together see each other before the first takes all shards */
#define HUNGRY_MS 500 /* until the next renewal, with fewer shards than our share */

static void joined(void *arg, PGresult *res)
{
    struct reader *r = arg;
    r->joined = reading_good(r, res, "sender_join");
    r->renew_at_ms = clock_ms() + SETTLE_MS;
}

int ownership_join(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    char host[256] = "", pid[16];
    struct reading_args a = {0};
    gethostname(host, sizeof host - 1);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    reading_arg_text(&a, host);
    reading_arg_text(&a, pid);
    return reading_ask(r, pipe, WORKER_SQL_SENDER_JOIN, &a, false, joined);
}

static void forget_shard(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (d->known && r->set.leases->state[d->shard] == LEASE_NONE)
        destination_forget_queue(d, r->set.held);
}

static bool shard_lost(struct destination *d, void *arg)
{
    struct reader *r = arg;
    return d->known && r->set.leases->state[d->shard] ==
                           LEASE_NONE; /* an unknown one's shard is not known either */
}

static void drop_lost_shards(struct reader *r)
{
    destinations_each(r->set.destinations, forget_shard, r);
    destinations_drop(r->set.destinations, shard_lost, r);
}

/* It was another's for a while: what it was told meanwhile, and how it left the circuit, is in the database. */
static void doubt_fresh(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (!d->known || !r->fresh[d->shard])
        return;
    d->set.version = 0;
    d->breaker_unsaved = false;
    settings_doubt(d, r);
}

static void renewed(void *arg, PGresult *res)
{
    struct reader *r = arg;
    struct leases *l = r->set.leases;
    if (!reading_good(r, res, "lease_renew")) {
        r->renew_at_ms = 0; /* as soon as its pause is over: the lease is running out */
        return;
    }
    bool kept[LIMIT_SHARDS] = {false};
    int64_t alive = 1;
    int lost = 0, taken = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        alive = strtoll(PQgetvalue(res, i, 3), NULL, 10);
        r->joined =
            PQgetvalue(res, i, 4)[0] == 't'; /* cut after an hour's suspension: join again */
        if (PQgetisnull(res, i, 0))
            continue;
        int shard = (int)strtol(PQgetvalue(res, i, 0), NULL, 10);
        bool fresh = PQgetvalue(res, i, 2)[0] == 't';
        kept[shard] = true;
        l->epoch[shard] = strtoll(PQgetvalue(res, i, 1), NULL, 10);
        if (fresh) {
            l->state[shard] = r->stopping ? LEASE_DRAINING : LEASE_HELD;
            r->fresh[shard] = true;
            taken++;
        }
    }
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (l->state[i] != LEASE_NONE && !kept[i]) {
            l->state[i] = LEASE_NONE;
            lost++;
        }
    l->until_ms = l->asked_at_ms + LIMIT_LEASE_MS - 2000;
    if (lost)
        log_warn("lost %d shards: their leases had run out", lost);
    if (taken)
        destinations_each(r->set.destinations, doubt_fresh, r);
    if (taken)
        log_info("took %d shards, %lld senders are alive", taken, (long long)alive);
    drop_lost_shards(r);
    if (r->stopping)
        return;
    leases_share(l, alive);
    if (leases_count(l, LEASE_HELD) < LIMIT_SHARDS / (alive > 0 ? alive : 1))
        r->renew_at_ms = clock_ms() + HUNGRY_MS;
}

int ownership_renew(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    static const struct uuid zero;
    struct reading_args a = {0};
    char length[16];
    pg_array_clear(&r->shards);
    pg_array_clear(&r->longs);
    leases_arrays(r->set.leases, &r->shards, &r->longs);
    buf_clear(&r->text);
    r->owner.counters(r->owner.arg, &r->text);
    snprintf(length, sizeof length, "%d", LIMIT_LEASE_MS);
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    reading_arg_array(&a, &r->shards);
    reading_arg_array(&a, &r->longs);
    if (memcmp(r->set.dead_owner, &zero, sizeof zero) == 0)
        reading_arg_text(&a, NULL);
    else
        reading_arg_bytes(&a, r->set.dead_owner->b, sizeof r->set.dead_owner->b);
    reading_arg_text(&a, r->text.data ? r->text.data : "{}");
    reading_arg_text(&a, r->stopping ? "f" : "t");
    reading_arg_text(&a, length);
    r->set.leases->asked_at_ms = now_ms;
    r->renew_at_ms = now_ms + LIMIT_LEASE_RENEW_MS;
    return reading_ask(r, pipe, WORKER_SQL_LEASE_RENEW, &a, false, renewed);
}

static void released(void *arg, PGresult *res)
{
    struct reader *r = arg;
    int shard = r->released;
    r->released = -1;
    if (!reading_good(r, res, "lease_release") || shard < 0)
        return;
    r->set.leases->state[shard] = LEASE_NONE;
    drop_lost_shards(r);
}

int ownership_release(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    r->released = leases_drained(r->set.leases);
    pg_array_clear(&r->shards);
    pg_array_int2(&r->shards, (int16_t)r->released);
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    reading_arg_array(&a, &r->shards);
    return reading_ask(r, pipe, WORKER_SQL_LEASE_RELEASE, &a, false, released);
}

static void left(void *arg, PGresult *res)
{
    struct reader *r = arg;
    r->left = reading_good(r, res, "sender_leave");
}

int ownership_leave(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    reading_arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    return reading_ask(r, pipe, WORKER_SQL_SENDER_LEAVE, &a, false, left);
}
