/*
 * The worker's supervisor: it forks, watches and restarts. No database, no libcurl, no secrets.
 *
 * A child that ends early is started again after a pause that grows to 5 s and shrinks when it lives; the supervisor
 * never gives up, because a queue that nobody drains is the worst state of all.
 */
#ifndef DLO_WORKER_SUPERVISOR_H
#define DLO_WORKER_SUPERVISOR_H

#include <stdint.h>

#include "common/config.h"

/* Runs until SIGTERM or SIGINT and until every child has ended; a second one makes them end at once. SIGHUP: the file at
 * `path` is read again into `config` (operator.h). Returns the exit status. */
int supervisor_run(struct config *config, const char *path, int64_t run_ms, int once);

#endif
