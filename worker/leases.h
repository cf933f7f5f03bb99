/*
 * The shards this sender owns. What is in flight, windows and pauses are then plain memory of one process.
 *
 * A lease counts from before its renewal was sent, on our clock, so ours always ends before the database's does. A
 * shard is given up by draining: nothing new is taken from it, and it is released when nothing of it is under way.
 */
#ifndef DLO_WORKER_LEASES_H
#define DLO_WORKER_LEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/pg_array.h"

enum lease_state { LEASE_NONE, LEASE_HELD, LEASE_DRAINING };

struct leases {
    enum lease_state state[LIMIT_SHARDS];
    int64_t epoch[LIMIT_SHARDS];
    int64_t until_ms;       /* all are renewed together */
    int64_t asked_at_ms;    /* when the renewal under way was sent */
    int busy[LIMIT_SHARDS]; /* deliveries under way or completing */
};

int leases_count(const struct leases *l, enum lease_state state);
/* May something of this shard be sent now? */
bool leases_may_send(const struct leases *l, int shard, int64_t now_ms);
/* Appends shards, and epochs if not NULL, of those that are held or draining. */
void leases_arrays(const struct leases *l, struct pg_array *shards, struct pg_array *epochs);
/* Appends those that may be read from (held, not draining), beginning with shard `from`. */
void leases_readable(const struct leases *l, struct pg_array *shards, int from);
/* More than our share is held: marks the surplus as draining; fewer: nothing, the next renewal takes more. */
void leases_share(struct leases *l, int64_t senders);
void leases_drain_all(struct leases *l);
/* A draining shard with nothing under way, or -1. */
int leases_drained(const struct leases *l);

#endif
