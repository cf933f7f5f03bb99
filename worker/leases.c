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

void leases_share(struct leases *l, int64_t senders)
{
    int share = (int)((LIMIT_SHARDS + senders - 1) / senders);
    int surplus = leases_count(l, LEASE_HELD) - share;
    for (int i = LIMIT_SHARDS - 1; i >= 0 && surplus > 0; i--)
        if (l->state[i] == LEASE_HELD) {
            l->state[i] = LEASE_DRAINING;
            surplus--;
        }
}

void leases_drain_all(struct leases *l)
{
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (l->state[i] == LEASE_HELD)
            l->state[i] = LEASE_DRAINING;
}

int leases_drained(const struct leases *l)
{
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (l->state[i] == LEASE_DRAINING && !l->busy[i])
            return i;
    return -1;
}
