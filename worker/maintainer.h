/*
 * The maintainer: one process per host, one active per database (an advisory lock). It keeps the clockwork going that no
 * request may wait for: counts folded, expiry counted, drawers made, carried and dropped, old rows of kept tables cut.
 */
#ifndef DLO_WORKER_MAINTAINER_H
#define DLO_WORKER_MAINTAINER_H

#include <stdint.h>

#include "common/config.h"

/* Runs until SIGTERM. `run_ms` > 0 or `once`: does each duty once at the start, then as otherwise. */
int maintainer_run(const struct config *config, int64_t run_ms, int once);

#endif
