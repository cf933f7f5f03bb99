/* See recovery.h. Memory only: a crash forgets the count, and the next sender's begins anew. */
#include "worker/recovery.h"

void recovery_begin(struct recovery *r)
{
    r->successes = 0;
    r->untold = false;
}

bool recovery_succeeded(struct recovery *r, unsigned era, int after)
{
    if (r->era != era)
        recovery_begin(r);
    r->era = era;
    if (r->successes >= after || ++r->successes < after)
        return false; /* it was told, or it is not time */
    r->untold = true;
    return true;
}

bool recovery_pending(const struct recovery *r)
{
    return r->untold || r->telling;
}

void recovery_telling(struct recovery *r)
{
    r->untold = false;
    r->telling = true;
}

bool recovery_told(struct recovery *r, bool good)
{
    bool again = r->telling && !good;
    r->untold = r->untold || again;
    r->telling = false;
    return again;
}
