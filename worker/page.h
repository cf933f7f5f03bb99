/*
 * The page a worker's supervisor maps before it forks: for each sender the deliveries it has under way.
 *
 * A slot is written before the request starts and cleared after it ended, both by the sender alone. When a sender dies
 * of its own fault (SIGSEGV, SIGABRT, …) the supervisor turns its slots into suspects: the replacement sends those last
 * and one by one, and a delivery that kills a sender twice while it is the only suspect under way ends as `internal`.
 */
#ifndef DLO_WORKER_PAGE_H
#define DLO_WORKER_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ids.h"
#include "common/limits.h"

#define PAGE_SENDERS 64

struct page_suspect {
    struct uuid delivery;
    uint8_t kills; /* senders that died with it under way alone */
};

struct page_sender {
    struct uuid owner;                    /* of the process that runs now; zero: none yet */
    struct uuid dead_owner;               /* of the one before: its leases may be taken at once */
    struct uuid inflight[LIMIT_INFLIGHT]; /* zero: free */
    struct page_suspect suspects[LIMIT_INFLIGHT];
    uint32_t nsuspects;
    struct uuid alone; /* the suspect that is being sent by itself */
};

struct page {
    struct page_sender senders[PAGE_SENDERS];
};

struct page *page_map(void); /* NULL: errno */

/* By the supervisor, when the sender in this slot has gone. `fault`: it died of its own doing. */
void page_sender_died(struct page_sender *s, bool fault);

/* By the sender. */
void page_begin(struct page_sender *s, unsigned slot, const struct uuid *delivery);
void page_end(struct page_sender *s, unsigned slot);
/* The suspect with this id, or NULL. */
struct page_suspect *page_suspect(struct page_sender *s, const struct uuid *delivery);
void page_cleared(struct page_sender *s,
                  struct page_suspect *suspect); /* it was sent and we live */

#endif
