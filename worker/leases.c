/* See leases.h. Memory only; a crash leaves leases that end by themselves, or are taken over by the replacement. */
#include "worker/leases.h"

int leases_count(const struct leases *l, enum lease_state state)
{
    int n = 0;
    for (int i = 0; i < LIMIT_SHARDS; i++)
        n += l->state[i] == state;
    return n;
}

bool leases_may_send(const struct leases *l, int shard, int64_t now_ms)
{
    return l->state[shard] == LEASE_HELD && now_ms < l->until_ms;
}

void leases_arrays(const struct leases *l, struct pg_array *shards, struct pg_array *epochs)
{
    for (int i = 0; i < LIMIT_SHARDS; i++) {
        if (l->state[i] == LEASE_NONE)
            continue;
        pg_array_int2(shards, (int16_t)i);
        if (epochs)
            pg_array_int8(epochs, l->epoch[i]);
    }
}

void leases_readable(const struct leases *l, struct pg_array *shards, int from)
{
    for (int i = 0; i < LIMIT_SHARDS; i++) {
        int shard = (from + i) % LIMIT_SHARDS;
        if (l->state[shard] == LEASE_HELD)
            pg_array_int2(shards, (int16_t)shard);
    }
}

/* The held shard with the least under way, the last of several; -1: none is held. */
static int idlest(const struct leases *l)
{
    int best = -1;
    for (int i = LIMIT_SHARDS - 1; i >= 0; i--)
        if (l->state[i] == LEASE_HELD && (best < 0 || l->busy[i] < l->busy[best]))
            best = i;
    return best;
}

void leases_share(struct leases *l, int64_t share)
{
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (l->state[i] == LEASE_DRAINING)
            l->state[i] = LEASE_HELD;
    for (int64_t surplus = leases_count(l, LEASE_HELD) - share; surplus > 0; surplus--)
        l->state[idlest(l)] = LEASE_DRAINING;
}

void leases_drain_all(struct leases *l)
{
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (l->state[i] == LEASE_HELD)
            l->state[i] = LEASE_DRAINING;
}

bool leases_drained(const struct leases *l, int shard)
{
    return l->state[shard] == LEASE_DRAINING && !l->busy[shard];
}
