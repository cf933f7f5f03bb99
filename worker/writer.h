/*
 * Outcomes on their way to the database: gathered, written in batches, one statement each, one under way at a time.
 *
 * A batch goes out at LIMIT_BATCH_RESULTS results, LIMIT_BATCH_BYTES or LIMIT_BATCH_WAIT_MS after its first. What died
 * goes in a statement of its own (complete_final.sql), and so do re-drives that arrived: beside other traffic
 * LIMIT_BATCH_REDRIVEN together, or LIMIT_BATCH_REDRIVEN_WAIT_MS after the first, neighbours not in the same moment. A
 * statement that was lost is repeated: it changes nothing twice. One that fails for a reason of its own is halved until the
 * row is found; that row ends as `internal`, without the bytes that may have been the trouble.
 */
#ifndef DLO_WORKER_WRITER_H
#define DLO_WORKER_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ids.h"
#include "worker/attempt.h"
#include "worker/histogram.h"
#include "worker/leases.h"
#include "worker/pipe.h"

struct writer;

struct writer_stats {
    int64_t batches, results, stale;
    struct histogram sizes;   /* results in a batch */
    struct histogram seconds; /* from its sending to its answer */
};

/* `finished`: the attempt's outcome is settled, or `stale` says that nothing was written: the row was done, cancelled,
 * carried or somebody else's. The attempt and its delivery are the callee's. */
typedef void writer_finished(void *arg, struct attempt *a);

/* `index`: of this sender on this machine: neighbours do not write what may wait in the same moment. */
struct writer *writer_new(const struct uuid *owner, int index, const struct leases *leases,
                          writer_finished *finished, void *arg);
void writer_free(struct writer *w);

void writer_add(struct writer *w, struct attempt *a, int64_t now_ms);
/* Sends what is due if the pipe is idle; returns when it wants to be called again, INT64_MAX when nothing waits. */
int64_t writer_tick(struct writer *w, struct pipe *pipe, int64_t now_ms);
bool writer_full(const struct writer *w);   /* so much waits that nothing more should be sent */
bool writer_empty(const struct writer *w);  /* nothing waits and nothing is under way */
int writer_waiting(const struct writer *w); /* outcomes that are not on disk */
const struct writer_stats *writer_stats(const struct writer *w);

#endif
