/*
 * Whose turn it is: projects in turn by deficit round robin, and within a project its destinations in turn.
 *
 * A destination stands here while it may send. One that found no room in its share is put aside, and comes back when
 * something of that share has ended. Costs are in units of LIMIT_TURN_BYTES: a large payload is several.
 */
#ifndef DLO_WORKER_TURNS_H
#define DLO_WORKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/admission.h"
#include "worker/destination.h"

struct turns;

struct turns *turns_new(void);
void turns_free(struct turns *t); /* not the destinations */

/* Joins at the end of its project's line, unless it stands somewhere already. */
void turns_join(struct turns *t, struct destination *d);
/* Takes the next one off, or NULL: nobody waits. */
struct destination *turns_next(struct turns *t);
/* It was served, at this cost in payload bytes: its project's deficit. */
void turns_charge(struct turns *t, const struct destination *d, int32_t bytes);
void turns_put_aside(struct turns *t, struct destination *d, enum share share);
/* Of those put aside, the longest waiting of the project whose turn it is joins again; false: nobody. */
bool turns_recall(struct turns *t, enum share share);

/*
 * May this destination's window grow? Not while others of its project wait; while those of other projects do, to its
 * project's part of the slots.
 */
bool turns_spare(struct turns *t, const struct destination *d);

#endif
