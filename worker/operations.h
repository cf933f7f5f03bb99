/*
 * operations: bulk operations, brought on step by step (API.md "An operation").
 *
 * A duty of the maintainer. Each step is one statement that can be run again: what was killed half way goes on with the
 * next item. Who may pause, cancel or change the rate is the responder's matter; they change the operation's row, and
 * the next step finds it changed.
 */
#ifndef DLO_WORKER_OPERATIONS_H
#define DLO_WORKER_OPERATIONS_H

#include "common/db.h"

/* Each operation that has not ended, one step on: at most twenty times a second. */
void operations_step(struct db *db);
/* Whether too much of a probe's stage has failed that still waits for answers: once a second. */
void operations_judge(struct db *db);
/* Outcomes of items go into their operations' rows: twice a second. */
void operations_fold(struct db *db);
/* How many items have ended by now, for the rate that is shown: every five seconds. */
void operations_mark(struct db *db);
/* Items of operations that ended long ago go: every minute. */
void operations_cut(struct db *db);

#endif
