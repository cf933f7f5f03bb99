/*
 * All destinations of a sender: a table by webhook, and the ring of those that may send now, served in turn.
 *
 * Owns the destinations. Nothing is ever removed while anything of it is queued, under way or being read.
 */
#ifndef DLO_WORKER_DESTINATIONS_H
#define DLO_WORKER_DESTINATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/destination.h"

struct destinations;

struct destinations *destinations_new(void);
void destinations_free(struct destinations *t);
struct destination *destinations_find(const struct destinations *t, int32_t webhook_id);
/* Finds or makes; NULL: out of memory. */
struct destination *destinations_get(struct destinations *t, int32_t webhook_id);
/* Calls `each` for all; it must not add or remove. */
void destinations_each(struct destinations *t, void (*each)(struct destination *d, void *arg),
                       void *arg);
/* Removes those `idle` says yes to (nothing queued, in flight or completing is checked here as well). */
void destinations_drop(struct destinations *t, bool (*idle)(struct destination *d, void *arg),
                       void *arg);
size_t destinations_count(const struct destinations *t);

/* The ring of those that may send. */
struct destination *destinations_next(struct destinations *t); /* takes the first off, or NULL */
bool destinations_waiting(const struct destinations *t);       /* is anybody in the ring? */
void destinations_offer(struct destinations *t, struct destination *d,
                        int64_t now_ms); /* joins it if it may send */

#endif
