/* See line.h. Memory only. */
#include "worker/line.h"

void line_join(struct line *l, struct destination *d, enum place place)
{
    d->next = NULL;
    d->place = place;
    if (l->tail)
        l->tail->next = d;
    else
        l->head = d;
    l->tail = d;
}

struct destination *line_take(struct line *l)
{
    struct destination *d = l->head;
    if (!d)
        return NULL;
    l->head = d->next;
    if (!l->head)
        l->tail = NULL;
    d->next = NULL;
    d->place = PLACE_OUT;
    return d;
}
