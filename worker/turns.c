/*
 * See turns.h. Memory only. A project exists here while one of its destinations is in line; its deficit is forgotten
 * with it, as deficit round robin (Shreedhar and Varghese, 1995) has it.
 */
#include "worker/turns.h"

#include <stdlib.h>

#define SLOTS 256
#define QUANTUM 8 /* units of a turn */

struct line {
    struct destination *head, *tail;
};

struct project {
    int32_t id;
    int64_t deficit;
    struct line line;
    struct project *next_in_slot, *next; /* the ring */
};

struct turns {
    struct project *slots[SLOTS];
    struct project *head, *tail; /* projects with somebody in line; the head's turn */
    struct line aside[SHARES];
    int waiting;
};

struct turns *turns_new(void)
{
    return calloc(1, sizeof(struct turns));
}

void turns_free(struct turns *t)
{
    while (t && t->head) {
        struct project *p = t->head;
        t->head = p->next;
        free(p);
    }
    free(t);
}

static void append(struct line *l, struct destination *d)
{
    d->next = NULL;
    if (l->tail)
        l->tail->next = d;
    else
        l->head = d;
    l->tail = d;
}

static struct destination *take(struct line *l)
{
    struct destination *d = l->head;
    l->head = d->next;
    if (!l->head)
        l->tail = NULL;
    d->next = NULL;
    d->place = PLACE_OUT;
    return d;
}

static struct project **find(struct turns *t, int32_t id)
{
    struct project **at = &t->slots[(uint32_t)id % SLOTS];
    while (*at && (*at)->id != id)
        at = &(*at)->next_in_slot;
    return at;
}

static struct project *enter(struct turns *t, int32_t id)
{
    struct project **at = find(t, id);
    if (*at)
        return *at;
    struct project *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->id = id;
    *at = p;
    if (t->tail)
        t->tail->next = p;
    else
        t->head = p;
    t->tail = p;
    return p;
}

/* The head has nobody in line any more. */
static void drop_head(struct turns *t)
{
    struct project *p = t->head;
    t->head = p->next;
    if (!t->head)
        t->tail = NULL;
    *find(t, p->id) = p->next_in_slot;
    free(p);
}

static void rotate(struct turns *t)
{
    struct project *p = t->head;
    p->deficit += QUANTUM;
    if (p == t->tail)
        return;
    t->head = p->next;
    p->next = NULL;
    t->tail->next = p;
    t->tail = p;
}

void turns_join(struct turns *t, struct destination *d)
{
    struct project *p = d->place == PLACE_OUT ? enter(t, d->set.project_id) : NULL;
    if (!p)
        return; /* out of memory: the next sweep offers it again */
    append(&p->line, d);
    d->place = PLACE_IN_TURN;
    t->waiting++;
}

struct destination *turns_next(struct turns *t)
{
    while (t->head && !t->head->line.head)
        drop_head(t);
    if (!t->head)
        return NULL;
    while (t->head->deficit < 0 || !t->head->line.head)
        if (t->head->line.head)
            rotate(t);
        else
            drop_head(t);
    t->waiting--;
    return take(&t->head->line);
}

void turns_charge(struct turns *t, const struct destination *d, int32_t bytes)
{
    struct project *p = *find(t, d->set.project_id);
    if (!p)
        return;
    p->deficit -= 1 + bytes / LIMIT_TURN_BYTES;
    if (p->deficit < 0 && p == t->head)
        rotate(t);
}

void turns_put_aside(struct turns *t, struct destination *d, enum share share)
{
    append(&t->aside[share], d);
    d->place = PLACE_ASIDE;
}

bool turns_recall(struct turns *t, enum share share)
{
    if (!t->aside[share].head)
        return false;
    turns_join(t, take(&t->aside[share]));
    return true;
}

bool turns_waiting(const struct turns *t)
{
    return t->waiting > 0;
}
