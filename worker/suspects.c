/*
 * Deliveries that may have killed a sender (see sending.h, page.h): sent last and one by one, and the one that kills
 * again while it is alone ends here.
 */
#include "worker/sending.h"

#include <string.h>

static const struct uuid none;

static bool nobody_is_alone(const struct sender *s)
{
    return memcmp(&s->page->alone, &none, sizeof none) == 0;
}

bool suspects_put_aside(struct sender *s, struct delivery *row)
{
    struct page_suspect *suspect = s->page->nsuspects ? page_suspect(s->page, &row->id) : NULL;
    if (!suspect)
        return false;
    if (suspect->kills && nobody_is_alone(s)) {
        s->page->alone = row->id; /* no other suspect until this verdict is committed */
        outcomes_verdict(s, row, REASON_INTERNAL, "poison", "sending it ended the sender twice");
        return true;
    }
    if (nobody_is_alone(s)) {
        s->page->alone = row->id;
        return false;
    }
    row->next = s->suspects;
    s->suspects = row;
    row->dest->completing++; /* it must not be forgotten meanwhile */
    return true;
}

void suspects_return(struct sender *s)
{
    if (!s->suspects || !nobody_is_alone(s))
        return;
    struct delivery *row = s->suspects;
    s->suspects = row->next;
    row->dest->completing--;
    dispatch_requeue(s, row);
}

void suspects_survived(struct sender *s, const struct delivery *row)
{
    struct page_suspect *suspect = page_suspect(s->page, &row->id);
    if (suspect)
        page_cleared(s->page, suspect);
}

/* If it was refused it is still a suspect, and the next in line has its turn. */
void suspects_verdict_settled(struct sender *s, const struct delivery *row, bool committed)
{
    if (committed)
        suspects_survived(s, row);
    else if (memcmp(&s->page->alone, &row->id, sizeof row->id) == 0)
        s->page->alone = none;
}
