/*
 * What arrived: per path the number of requests and how late they were, per (path, webhook-id) how
 * often. A pair of path and webhook-id is one delivery as a receiver sees it, so that "arrived
 * once" can be told from "arrived twice" even when one event goes to many webhooks. The query
 * string does not belong to the path. Exact within its caps; what does not fit is counted as lost.
 */
#ifndef PEER_SEEN_H
#define PEER_SEEN_H

#include "tests/bench/hist.h"
#include "tests/peer/bytes.h"

#include <stdint.h>

#define SEEN_PATHS 16384u /* further paths share one entry named "" */
#define SEEN_IDS_DEFAULT 4000000u

struct seen_mark {
    uint32_t entry;  /* 0: the request had no id, or the table is full */
    uint32_t before; /* how often this pair was seen before this request */
};

struct seen_totals {
    uint64_t requests;
    uint64_t without_id;
    uint64_t lost;          /* had an id that found no room: the numbers below are too low */
    uint64_t deliveries;    /* distinct pairs of path and id */
    uint64_t delivered;     /* of these, pairs that were answered 2xx at least once */
    uint64_t duplicates;    /* requests beyond the first of their pair */
    uint64_t after_success; /* of these, requests that came after a 2xx was answered */
    uint64_t distinct_ids;  /* over all paths; only when asked for, it walks the whole table */
};

int seen_init(uint32_t max_ids);
void seen_reset(void);
void seen_release(void);

/* Counts a request. A body with a member "sentAtNs" (CLOCK_REALTIME) adds to the path's histogram
 * when its pair is seen for the first time: a retry is late on purpose. */
struct seen_mark seen_note(struct span path, struct span id, struct span body);
void seen_answered(struct seen_mark mark, int status);

void seen_count(struct span prefix, bool distinct_ids, struct seen_totals *totals);
void seen_latency(struct span prefix, struct hist *sum);

/* Writes up to `limit` ids, one JSON array of [id, times, answered2xx], from entry `after` on;
 * returns the entry to go on from, 0 at the end. */
uint32_t seen_list(struct span prefix, uint32_t after, uint32_t limit, struct bytes *out);

#endif
