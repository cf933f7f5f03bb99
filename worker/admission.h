/*
 * Who may have a slot: one table of classes, one of standings, one question.
 *
 * A slot is a request under way (or a delivery being shaped). First attempts keep room beside retries and replays, and
 * destinations that answer well keep theirs beside those that are new, slow or in trouble: each kind has a share of the
 * slots and of the bytes, and what is under way is counted again when a destination's standing changes.
 */
#ifndef DLO_WORKER_ADMISSION_H
#define DLO_WORKER_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/destination.h"

/* What a share can belong to; the first are the classes, then the standings. */
enum share {
    SHARE_LIVE = CLASS_LIVE,
    SHARE_RETRY = CLASS_RETRY,
    SHARE_REPLAY = CLASS_REPLAY,
    SHARE_GOOD = LANES + STANDING_GOOD,
    SHARE_UNPROVEN = LANES + STANDING_UNPROVEN,
    SHARE_SLOW = LANES + STANDING_SLOW,
    SHARE_TROUBLED = LANES + STANDING_TROUBLED,
    SHARE_DOUBTFUL = LANES + STANDINGS, /* the three before, together */
    SHARES
};

struct admission {
    struct {
        int requests;
        size_t bytes;
    } held[SHARES];
};

/*
 * The lane that a destination, which may send, should be served from now, or -1: *full is then the share that has no
 * room, or -1 when it is not for want of room.
 */
int admission_pick(struct admission *a, struct destination *d, int *full);
/* Is there a slot at all? */
bool admission_open(const struct admission *a);
bool admission_has_room(const struct admission *a, enum share share);

/* Counts one delivery in and out. */
void admission_begin(struct admission *a, struct destination *d, struct delivery *row,
                     int64_t now_ms);
void admission_end(struct admission *a, struct destination *d, struct delivery *row,
                   int64_t now_ms);
/* Its standing may have changed: what it has under way is counted where it belongs now. */
void admission_restand(struct admission *a, struct destination *d, int64_t now_ms);

#endif
