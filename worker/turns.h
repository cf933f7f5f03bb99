/*
 * Whose name is looked up next: one line of waiting names per project, the projects served in turn.
 *
 * A project has at most `share` names under way, so that one whose names are all dead leaves room for the others. A
 * name that several projects wait for stands in the line of each (of the first TURNS_PLACES that ask), and is looked up
 * when the first of them is served: a name that many use cannot be held back by the longest line.
 *
 * The places are the caller's memory and must stay where they are while they stand in a line. A project nobody waits
 * for and nothing is under way for takes no memory.
 */
#ifndef DLO_WORKER_TURNS_H
#define DLO_WORKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#define TURNS_PLACES 4

struct turns_place {
    struct turns_place *next;
    void *name; /* the caller's */
    int32_t project_id;
    bool standing;
};

struct turns;

/* `share`: under way at once for one project; `longest`: places in one line. NULL: out of memory. */
struct turns *turns_new(int share, int longest);
void turns_free(struct turns *t);

/* Puts a place at the end of its project's line. -1: the line is as long as it may be, or no memory. */
int turns_join(struct turns *t, struct turns_place *place);
/* Takes the next place out of its line and counts it as under way until turns_end(). NULL: nobody may go now. */
struct turns_place *turns_take(struct turns *t);
/* One of the project's is under way no more. */
void turns_end(struct turns *t, int32_t project_id);

#endif
