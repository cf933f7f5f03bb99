/*
 * A lane: the rows of one class (first attempts, retries, replays) that wait for one destination.
 *
 * Lanes are read and served apart, so that a million replays, or the retries of an outage, cannot stand before what was
 * just accepted. A lane knows how far it was read: everything at or below `after` is either held or done, but for what
 * an arrival below it says (lane_arrived rewinds). `backlog`: there may be rows beyond `after`.
 */
#ifndef DLO_WORKER_LANE_H
#define DLO_WORKER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/delivery.h"

struct lane {
    struct delivery *head, *tail; /* read ahead, by position */
    int queued;
    int inflight; /* being shaped or sent */
    int64_t after;
    int64_t missing_pos; /* the row whose source was not found at the last look */
    bool backlog;
    bool reading;       /* a heads query for it is under way */
    bool wants_payload; /* its head is waiting for its payload */
    bool
        wants_address; /* or for an address of its own: until the next sweep, or names were answered */
};

/* By position; nearly always at the end. */
void lane_enqueue(struct lane *l, struct delivery *row);
struct delivery *lane_dequeue(struct lane *l);

/* `count` new rows were committed, the lowest at `pos`. Rewinds unless the only one is held already. */
void lane_arrived(struct lane *l, const struct delivery_table *held, int64_t pos, int64_t count);
/* Reads again from `pos` on. The answer of a query that is under way counts for nothing: it would undo this. */
void lane_rewind(struct lane *l, int64_t pos);
/* Gives up what was read ahead and not begun: the rows will be read again. */
void lane_forget(struct lane *l, struct delivery_table *held);

/* How many more rows to read now, if `target` are to be held; 0: none. */
int lane_wants(const struct lane *l, int target);
/* Its head waits for something that the other lanes need not wait for. */
bool lane_blocked(const struct lane *l);
/* Nothing of it is held or under way. */
bool lane_idle(const struct lane *l);

#endif
