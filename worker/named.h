/*
 * A statement that names the drawers it looks into, with those drawers as constants in its text.
 *
 * As parameters, its last eight, they keep it from reading other drawers, but every execution still locks what a plan for
 * any of them might open: 92 tables for each table it mentions, 0.4 ms for a poll that finds one row (measured). As
 * constants only those named are in the plan. Drawers change with the day, so the statement is prepared anew when it is
 * asked for one that its text has not, at most once a second; until then, and for more than eight, there is the plain one.
 */
#ifndef DLO_WORKER_NAMED_H
#define DLO_WORKER_NAMED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "worker/pipe.h"

struct named {
    const struct sql_statement *plain; /* its last LIMIT_DRAWERS parameters are the drawers */
    struct sql_statement now;          /* what it is called; no text is kept */
    char name[48];
    unsigned connection, serial; /* of the pipe when it was prepared; the name's */
    int32_t drawers[LIMIT_DRAWERS];
    int ndrawers; /* 0: it is not there */
    int64_t not_before_ms;
};

void named_init(struct named *n, const struct sql_statement *plain);

/* The statement to send for these drawers (0 is none): n->now, without them as parameters, or the plain one. */
const struct sql_statement *named_for(const struct named *n, const struct pipe *pipe,
                                      const int32_t *drawers, int ndrawers);

/* Prepares it for these drawers and, where there is room, those it has, if that is to be done now. 0: it was sent. */
int named_prepare(struct named *n, struct pipe *pipe, const int32_t *drawers, int ndrawers,
                  int64_t now_ms);

#endif
