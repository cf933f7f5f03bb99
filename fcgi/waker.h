/*
 * waker: the one debounced NOTIFY per host.
 *
 * A transaction that takes in work must not contain NOTIFY (it serialises all commits). Under a supervisor responders
 * write to an eventfd and one child turns that into `pg_notify('dlo_wake', '')`, at most every 10 ms, with a trailing
 * edge: what is marked while it waits is sent when it wakes. Without a supervisor the process does it itself, after
 * the answer is flushed. Losing a wake-up costs a second: senders poll.
 */
#ifndef DLO_FCGI_WAKER_H
#define DLO_FCGI_WAKER_H

#include "common/config.h"
#include "common/db.h"

/* The child process of a supervisor. Returns its exit status once `stopping` (checked after every wait) is set. */
int waker_run(const struct config *config, int wake_fd);

/* Work was committed. wake_fd -1: remembered here. */
void waker_mark(int wake_fd);

/* Without a supervisor: milliseconds until waker_flush has something to do, -1: nothing. */
int waker_due_ms(void);
void waker_flush(struct db *db);

#endif
