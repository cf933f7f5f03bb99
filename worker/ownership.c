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
#define ENDED_MS 20   /* after the end of somebody's lease: is it renewed, or free? */

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
    if (r->set.host_name[0])
        snprintf(host, sizeof host, "%s", r->set.host_name);
    else
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

/* Before the usual time: shards that another gives back, and those of one that has died, are taken at once. */
static void renew_sooner(struct reader *r, bool hungry, int64_t ends_ms)
{
    int64_t now_ms = clock_ms();
    if (hungry && now_ms + HUNGRY_MS < r->renew_at_ms)
        r->renew_at_ms = now_ms + HUNGRY_MS;
    if (ends_ms < LIMIT_LEASE_MS && now_ms + ends_ms + ENDED_MS < r->renew_at_ms)
        r->renew_at_ms = now_ms + ends_ms + ENDED_MS;
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
    int64_t alive = 1, share = LIMIT_SHARDS, ends_ms = INT64_MAX;
    int lost = 0, taken = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        alive = strtoll(PQgetvalue(res, i, 3), NULL, 10);
        r->joined =
            PQgetvalue(res, i, 4)[0] == 't'; /* cut after an hour's suspension: join again */
        share = strtoll(PQgetvalue(res, i, 5), NULL, 10);
        if (!PQgetisnull(res, i, 6))
            ends_ms = strtoll(PQgetvalue(res, i, 6), NULL, 10);
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
    l->taken += taken;
    l->lost += lost;
    if (lost)
        log_warn("lost %d shards: their leases had run out", lost);
    if (taken)
        destinations_each(r->set.destinations, doubt_fresh, r);
    if (taken)
        log_info("took %d shards, %lld senders are alive", taken, (long long)alive);
    drop_lost_shards(r);
    if (r->stopping)
        return;
    leases_share(l, share);
    renew_sooner(r, leases_count(l, LEASE_HELD) < share, ends_ms);
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
    if (!reading_good(r, res, "lease_release"))
        return;
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (r->released[i]) {
            r->set.leases->state[i] = LEASE_NONE;
            r->set.leases->released++;
        }
    drop_lost_shards(r);
}

int ownership_release(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    pg_array_clear(&r->shards);
    for (int i = 0; i < LIMIT_SHARDS; i++) {
        r->released[i] = leases_drained(r->set.leases, i);
        if (r->released[i])
            pg_array_int2(&r->shards, (int16_t)i);
    }
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
