/*
 * Transforms that somebody tries on a sample: rows of `trials` of our shards, run like any delivery's, and their results.
 *
 * The reader asks for them once a second and writes what came of them (reading.h); this object holds those under way.
 */
#ifndef DLO_WORKER_TRIALS_H
#define DLO_WORKER_TRIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/sandboxes.h"

#define TRIALS_MAX 16 /* under way in one sender */

struct trials;
struct reader;

/* `sandboxes` must outlive it. NULL: out of memory. */
struct trials *trials_new(struct sandboxes *sandboxes);
void trials_free(struct trials *t);

bool trials_due(const struct reader *r, int64_t now_ms);  /* time to look for some? */
bool trials_over(const struct reader *r, int64_t now_ms); /* is a result to be written? */
bool trials_busy(const struct trials *t);

#endif
