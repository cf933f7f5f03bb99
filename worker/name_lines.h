/*
 * Whose name is looked up next: one line of waiting names per project, the projects served in turn.
 *
 * A project has at most `share` names under way, so that one whose names are all dead leaves room for the others. A
 * name that several projects wait for stands in the line of each (of the first NAME_LINES_PLACES that ask), and is looked up
 * when the first of them is served: a name that many use cannot be held back by the longest line.
 *
 * The places are the caller's memory and must stay where they are while they stand in a line. A project nobody waits
 * for and nothing is under way for takes no memory.
 */
#ifndef DLO_WORKER_NAME_LINES_H
#define DLO_WORKER_NAME_LINES_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_LINES_PLACES 4

struct name_lines_place {
    struct name_lines_place *next;
    void *name; /* the caller's */
    int32_t project_id;
    bool standing;
};

struct name_lines;

/* `share`: under way at once for one project; `longest`: places in one line. NULL: out of memory. */
struct name_lines *name_lines_new(int share, int longest);
void name_lines_free(struct name_lines *t);

/* Puts a place at the end of its project's line. -1: the line is as long as it may be, or no memory. */
int name_lines_join(struct name_lines *t, struct name_lines_place *place);
/* Takes the next place out of its line and counts it as under way until name_lines_end(). NULL: nobody may go now. */
struct name_lines_place *name_lines_take(struct name_lines *t);
/* One of the project's is under way no more. */
void name_lines_end(struct name_lines *t, int32_t project_id);

#endif
