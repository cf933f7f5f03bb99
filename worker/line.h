/*
 * A line of destinations: who came first is served first. A destination stands in one line at a time; `place` says so.
 */
#ifndef DLO_WORKER_LINE_H
#define DLO_WORKER_LINE_H

#include "worker/destination.h"

struct line {
    struct destination *head, *tail;
};

void line_join(struct line *l, struct destination *d, enum place place);
/* The first one leaves; NULL: nobody stands there. */
struct destination *line_take(struct line *l);

#endif
