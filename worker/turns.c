/*
 * See turns.h. Memory only. Each line is a ring of projects: who has one webhook put aside does not stand behind the two
 * hundred of another. A project exists in a ring while one of its destinations stands there; its deficit is forgotten
 * with it, as deficit round robin (Shreedhar and Varghese, 1995) has it.
 */
#include "worker/turns.h"

#include <stdlib.h>

#include "worker/line.h"

#define SLOTS 256
#define QUANTUM 8 /* units of a turn */

struct project {
    int32_t id;
    int64_t deficit;
    struct line line;
    struct project *next_in_slot, *next; /* the ring */
};

struct ring {
    struct project *slots[SLOTS];
    int count;
    struct project *head,
        *tail; /* projects with somebody in line, but for those that were served last; the head's turn */
};

struct turns {
    struct ring turn;
    struct ring aside[SHARES];
    int waiting;
};

struct turns *turns_new(void)
{
    return calloc(1, sizeof(struct turns));
}

static struct project **find(struct ring *r, int32_t id)
{
    struct project **at = &r->slots[(uint32_t)id % SLOTS];
    while (*at && (*at)->id != id)
        at = &(*at)->next_in_slot;
    return at;
}

static struct project *enter(struct ring *r, int32_t id)
{
    struct project **at = find(r, id);
    if (*at)
        return *at;
    struct project *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->id = id;
    *at = p;
    r->count++;
    if (r->tail)
        r->tail->next = p;
    else
        r->head = p;
    r->tail = p;
    return p;
}

static void drop_head(struct ring *r)
{
    struct project *p = r->head;
    r->head = p->next;
    if (!r->head)
        r->tail = NULL;
    *find(r, p->id) = p->next_in_slot;
    free(p);
    r->count--;
}

static void rotate(struct ring *r)
{
    struct project *p = r->head;
    p->deficit += QUANTUM;
    if (p == r->tail)
        return;
    r->head = p->next;
    p->next = NULL;
    r->tail->next = p;
    r->tail = p;
}

/* To the first project that has somebody in line and nothing to make up for. NULL: nobody stands there. */
static struct project *whose_turn(struct ring *r)
{
    while (r->head && (!r->head->line.head || r->head->deficit < 0))
        if (r->head->line.head)
            rotate(r);
        else
            drop_head(r);
    return r->head;
}

/* -1: out of memory. */
static int join(struct ring *r, struct destination *d, enum place place)
{
    struct project *p = enter(r, d->set.project_id);
    if (!p)
        return -1;
    line_join(&p->line, d, place);
    return 0;
}

static void ring_release(struct ring *r)
{
    while (r->head)
        drop_head(r);
}

void turns_free(struct turns *t)
{
    if (!t)
        return;
    ring_release(&t->turn);
    for (int i = 0; i < SHARES; i++)
        ring_release(&t->aside[i]);
    free(t);
}

void turns_join(struct turns *t, struct destination *d)
{
    /* out of memory: the next sweep offers it again */
    if (d->place == PLACE_OUT && join(&t->turn, d, PLACE_IN_TURN) == 0)
        t->waiting++;
}

struct destination *turns_next(struct turns *t)
{
    struct project *p = whose_turn(&t->turn);
    if (!p)
        return NULL;
    t->waiting--;
    return line_take(&p->line);
}

void turns_charge(struct turns *t, const struct destination *d, int32_t bytes)
{
    struct project *p = *find(&t->turn, d->set.project_id);
    if (!p)
        return;
    p->deficit -= 1 + bytes / LIMIT_TURN_BYTES;
    if (p->deficit < 0 && p == t->turn.head)
        rotate(&t->turn);
}

void turns_put_aside(struct turns *t, struct destination *d, enum share share)
{
    (void)join(&t->aside[share], d, PLACE_ASIDE); /* out of memory: likewise */
}

bool turns_recall(struct turns *t, enum share share)
{
    struct ring *r = &t->aside[share];
    struct project *p = whose_turn(r);
    if (!p)
        return false;
    turns_join(t, line_take(&p->line));
    rotate(r);
    return true;
}

static bool waits(struct ring *r, int32_t project_id)
{
    const struct project *p = *find(r, project_id);
    return p && p->line.head;
}

bool turns_spare(struct turns *t, const struct destination *d)
{
    int projects = t->turn.count;
    if (!t->waiting)
        return true;
    if (waits(&t->turn, d->set.project_id))
        return false;
    for (int i = 0; i < SHARES; i++) {
        projects = t->aside[i].count > projects ? t->aside[i].count : projects;
        if (waits(&t->aside[i], d->set.project_id))
            return false;
    }
    return d->window * (projects + 1) < LIMIT_INFLIGHT;
}
