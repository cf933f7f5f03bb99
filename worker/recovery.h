/*
 * What a destination has shown since it was last in trouble: how many live deliveries arrived. As many as its webhook asks
 * for (autoRedrive.afterSuccesses) are a recovery, which is told once.
 *
 * Trouble is a circuit that changed (another era of its breaker) and a delivery that died of what a recovery would re-drive;
 * a sender that has just begun to serve a destination knows nothing of its past and counts from there. Pure.
 */
#ifndef DLO_WORKER_RECOVERY_H
#define DLO_WORKER_RECOVERY_H

#include <stdbool.h>

struct recovery {
    unsigned era; /* of the breaker, in which it counts */
    int successes;
    bool untold; /* it is complete, and is to be told */
    bool telling;
};

/* The count begins anew. What is being told is not called back. */
void recovery_begin(struct recovery *r);
/* One more. True: that makes `after` of them, and it is to be told from now on. */
bool recovery_succeeded(struct recovery *r, unsigned era, int after);

bool recovery_pending(const struct recovery *r); /* not told whole yet */
void recovery_telling(struct recovery *r);
/* The answer to that; if it failed it is to be told again. True: it is. */
bool recovery_told(struct recovery *r, bool good);

#endif
