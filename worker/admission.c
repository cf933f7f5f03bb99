/* See admission.h. Owns the tables of shares and nothing else; memory only. */
#include "worker/admission.h"

/*
 * A lane's weight is its part of its destination's turns while others wait there; `window` is how much of its
 * destination's window it may use (a receiver that hangs must not have its whole window filled with retries).
 */
static const struct {
    int weight;
    int window_percent;
} lanes[LANES] = {
    [CLASS_LIVE] = {6, 100},
    [CLASS_RETRY] = {3, 50},
    [CLASS_REPLAY] = {1, 25},
};

/* Percent of all slots and bytes. Good destinations have what doubtful ones cannot take, and at most as much as is
 * worth its CPU (measured: 20 us a request at 100 under way, 35 at 256). */
static const int percents[SHARES] = {
    [SHARE_LIVE] = 100,    [SHARE_RETRY] = 50, [SHARE_REPLAY] = 25,   [SHARE_GOOD] = 50,
    [SHARE_UNPROVEN] = 25, [SHARE_SLOW] = 30,  [SHARE_TROUBLED] = 25, [SHARE_DOUBTFUL] = 75,
};

static bool below(const struct admission *a, enum share share)
{
    return a->held[share].requests * 100 < LIMIT_INFLIGHT * percents[share] &&
           a->held[share].bytes < LIMIT_INFLIGHT_BYTES / 100 * (size_t)percents[share];
}

bool admission_has_room(const struct admission *a, enum share share)
{
    return below(a, share);
}

bool admission_open(const struct admission *a)
{
    int requests = 0;
    size_t bytes = 0;
    for (int i = 0; i < LANES; i++) {
        requests += a->held[i].requests;
        bytes += a->held[i].bytes;
    }
    return requests < LIMIT_INFLIGHT && bytes < LIMIT_INFLIGHT_BYTES;
}

static int full_standing(const struct admission *a, const struct destination *d)
{
    enum share own = (enum share)(LANES + d->standing);
    if (!below(a, own))
        return (int)own;
    return d->standing != STANDING_GOOD && !below(a, SHARE_DOUBTFUL) ? SHARE_DOUBTFUL : -1;
}

/* Smooth weighted turns: each that could go gains its weight, the richest goes and pays for all. */
int admission_pick(struct admission *a, struct destination *d, int *full)
{
    int best = -1, total = 0;
    *full = full_standing(a, d);
    if (*full >= 0)
        return -1;
    for (int i = 0; i < LANES; i++) {
        if (!destination_may_send_lane(d, i, lanes[i].window_percent))
            continue;
        if (!below(a, (enum share)i)) {
            *full = i;
            continue;
        }
        d->credit[i] += lanes[i].weight;
        total += lanes[i].weight;
        if (best < 0 || d->credit[i] > d->credit[best])
            best = i;
    }
    if (best >= 0) {
        d->credit[best] -= total;
        *full = -1;
    }
    return best;
}

static void add(struct admission *a, enum share share, int requests, int64_t bytes)
{
    a->held[share].requests += requests;
    a->held[share].bytes = (size_t)((int64_t)a->held[share].bytes + bytes);
}

static void add_standing(struct admission *a, enum standing standing, int requests, int64_t bytes)
{
    add(a, (enum share)(LANES + standing), requests, bytes);
    if (standing != STANDING_GOOD)
        add(a, SHARE_DOUBTFUL, requests, bytes);
}

void admission_begin(struct admission *a, struct destination *d, struct delivery *row,
                     int64_t now_ms)
{
    row->counted_bytes = row->payload_bytes;
    destination_begin(d, row, now_ms);
    add(a, (enum share)row->class_, 1, row->counted_bytes);
    add_standing(a, d->standing, 1, row->counted_bytes);
}

void admission_end(struct admission *a, struct destination *d, struct delivery *row, int64_t now_ms)
{
    destination_end(d, row, now_ms);
    add(a, (enum share)row->class_, -1, -row->counted_bytes);
    add_standing(a, d->standing, -1, -row->counted_bytes);
}

void admission_restand(struct admission *a, struct destination *d, int64_t now_ms)
{
    enum standing standing = destination_standing(d, now_ms);
    if (standing == d->standing)
        return;
    add_standing(a, d->standing, -d->inflight, -(int64_t)d->inflight_bytes);
    add_standing(a, standing, d->inflight, (int64_t)d->inflight_bytes);
    d->standing = standing;
}
