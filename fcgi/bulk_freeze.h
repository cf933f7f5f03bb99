/*
 * bulk_freeze: an operation made from a set, or the plan of one.
 */
#ifndef DLO_FCGI_BULK_FREEZE_H
#define DLO_FCGI_BULK_FREEZE_H

#include "fcgi/bulk_input.h"
#include "fcgi/route.h"

/* Answers 200 with what it would find. */
void bulk_freeze_plan(struct call *c, struct bulk_input *in);

/*
 * Answers 202 with the operation, or 409, 422, 429. `failed_of` (or NULL): the operation whose failed items are the set,
 * instead of what `in` selects. `key`: the request's Idempotency-Key, or NULL.
 */
void bulk_freeze_make(struct call *c, struct bulk_input *in, const struct uuid *failed_of,
                      const char *key);

#endif
