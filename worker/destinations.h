/*
 * All destinations of a sender: a table by webhook.
 *
 * Owns the destinations. Nothing is ever removed while anything of it is queued, under way, being read or in turn.
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
/* Removes those `idle` says yes to (that they are idle is checked here as well). */
void destinations_drop(struct destinations *t, bool (*idle)(struct destination *d, void *arg),
                       void *arg);
size_t destinations_count(const struct destinations *t);

#endif
