/*
 * A sender: one process that owns shards of destinations, reads what is due, sends it, and writes what came of it.
 */
#ifndef DLO_WORKER_SENDER_H
#define DLO_WORKER_SENDER_H

#include "common/config.h"
#include "worker/page.h"

/*
 * Runs until SIGTERM, then drains within LIMIT_DRAIN_MS (a second SIGTERM ends it at once). `run_ms` > 0: stops taking
 * new work by itself after so long; `once`: when nothing is due. `nursery_fd`: see nursery.h, -1 for none. Returns the
 * exit status.
 */
int sender_run(const struct config *config, struct page_sender *page, int index, int nursery_fd,
               int64_t run_ms, int once);

#endif
