/*
 * A sender: one process that owns shards of destinations, reads what is due, sends it, and writes what came of it.
 */
#ifndef DLO_WORKER_SENDER_H
#define DLO_WORKER_SENDER_H

#include "common/config.h"
#include "worker/page.h"

/*
 * Runs until SIGTERM, then drains within LIMIT_DRAIN_MS (a second SIGTERM ends it at once), or until SIGUSR1, then
 * drains for as long as the slowest request may take. SIGHUP: reads `path` again into `config`, which is this process's
 * own. `nursery_fd`: see nursery.h, -1 for none. `run_ms` > 0: stops taking new work by itself after so long; `once`:
 * when nothing is due. Returns the exit status.
 * SIGHUP and SIGUSR1 must be blocked.
 */
int sender_run(struct config *config, const char *path, struct page_sender *page, int index,
               int nursery_fd, int64_t run_ms, int once);

#endif
