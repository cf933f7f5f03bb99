/*
 * See name_lines.h. Owns the lines and the ring of those that may go: somebody stands in them and their share is not used
 * up. Must never let a project be served twice while another one in the ring waits.
 */
#include "worker/name_lines.h"

#include <stdlib.h>

#define SLOTS 256

struct line {
    struct line *next_in_slot;
    struct line *next_in_ring;
    int32_t project_id;
    struct name_lines_place *head, *tail;
    int standing, under_way;
    bool in_ring;
};

struct name_lines {
    int share, longest;
    struct line *slots[SLOTS];
    struct line *first, *last; /* the ring */
};

struct name_lines *name_lines_new(int share, int longest)
{
    struct name_lines *t = calloc(1, sizeof *t);
    if (t) {
        t->share = share;
        t->longest = longest;
    }
    return t;
}

void name_lines_free(struct name_lines *t)
{
    for (size_t i = 0; t && i < SLOTS; i++)
        while (t->slots[i]) {
            struct line *l = t->slots[i];
            t->slots[i] = l->next_in_slot;
            free(l);
        }
    free(t);
}

static struct line **find(struct name_lines *t, int32_t project_id)
{
    struct line **at = &t->slots[(uint32_t)project_id % SLOTS];
    while (*at && (*at)->project_id != project_id)
        at = &(*at)->next_in_slot;
    return at;
}

static struct line *find_or_make(struct name_lines *t, int32_t project_id)
{
    struct line **at = find(t, project_id);
    if (!*at && (*at = calloc(1, sizeof **at)))
        (*at)->project_id = project_id;
    return *at;
}

static void offer(struct name_lines *t, struct line *l)
{
    if (l->in_ring || !l->head || l->under_way >= t->share)
        return;
    l->in_ring = true;
    l->next_in_ring = NULL;
    if (t->last)
        t->last->next_in_ring = l;
    else
        t->first = l;
    t->last = l;
}

int name_lines_join(struct name_lines *t, struct name_lines_place *place)
{
    struct line *l = find_or_make(t, place->project_id);
    if (!l || l->standing >= t->longest)
        return -1;
    place->standing = true;
    place->next = NULL;
    if (l->tail)
        l->tail->next = place;
    else
        l->head = place;
    l->tail = place;
    l->standing++;
    offer(t, l);
    return 0;
}

struct name_lines_place *name_lines_take(struct name_lines *t)
{
    struct line *l = t->first;
    if (!l)
        return NULL;
    t->first = l->next_in_ring;
    if (!t->first)
        t->last = NULL;
    l->in_ring = false;

    struct name_lines_place *place = l->head;
    l->head = place->next;
    if (!l->head)
        l->tail = NULL;
    l->standing--;
    l->under_way++;
    place->standing = false;
    offer(t, l);
    return place;
}

void name_lines_end(struct name_lines *t, int32_t project_id)
{
    struct line **at = find(t, project_id), *l = *at;
    if (!l)
        return;
    l->under_way--;
    offer(t, l);
    if (l->head || l->under_way > 0)
        return;
    *at = l->next_in_slot;
    free(l);
}
