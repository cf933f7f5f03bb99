/*
 * page: the one page all responder processes of a supervisor share, mapped before the first fork.
 *
 * Each child writes only its own slot, so nothing is locked; a slot outlives its child, so counters never go back while
 * the supervisor lives. Without a supervisor a process is its own page (page_init is then called with one slot).
 */
#ifndef DLO_FCGI_PAGE_H
#define DLO_FCGI_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* Maps the page for n slots. 0 or -1 (errno). */
int page_init(int slots);
/* This process writes to slot n from now on. Frees what a dead predecessor held there. */
void page_use(int slot);

void page_count_request(int status, int64_t us);
/* What became of submitted events. */
void page_count_events(long accepted, long duplicate, long unroutable, long rejected);

/* A payload that its event type's schema refused; it is also counted as rejected. */
void page_count_schema_rejected(void);

/* A place to hash a password in; false: too many do so already (429). At most `most` processes at once. */
bool page_hash_begin(int most);
void page_hash_end(void);

/* A place for a long read (export, search); false: the project has one already, or all are taken (429). */
bool page_read_begin(int project, int most);
void page_read_end(void);

/* Sums over all slots as Prometheus text. */
void page_metrics(struct buf *out);

#endif
