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
    int64_t until_ms;              /* all are renewed together */
    int64_t asked_at_ms;           /* when the renewal under way was sent */
    int busy[LIMIT_SHARDS];        /* deliveries under way or completing */
    int64_t taken, lost, released; /* since the start: by us, by time, in order */
};

int leases_count(const struct leases *l, enum lease_state state);
/* May something of this shard be sent now? */
bool leases_may_send(const struct leases *l, int shard, int64_t now_ms);
/* Appends shards, and epochs if not NULL, of those that are held or draining. */
void leases_arrays(const struct leases *l, struct pg_array *shards, struct pg_array *epochs);
/* Appends those that may be read from (held, not draining), beginning with shard `from`. */
void leases_readable(const struct leases *l, struct pg_array *shards, int from);
/* More than our share is held: marks the surplus as draining, those with the least under way, so that a receiver that
 * hangs does not hold up a shard that is to go. Chosen anew each time. Fewer: nothing, the next renewal takes more. */
void leases_share(struct leases *l, int64_t share);
void leases_drain_all(struct leases *l);
/* Is it draining, with nothing under way? */
bool leases_drained(const struct leases *l, int shard);

#endif
