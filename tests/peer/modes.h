/*
 * The behaviours. One table (modes.c) drives dispatch and `peer --help`; a mode is chosen by the
 * first part of the path, or by the second after /rec, and what follows it is free.
 */
#ifndef PEER_MODES_H
#define PEER_MODES_H

#include "tests/peer/request.h"

#include <stdio.h>

struct conn;

/* Counts, records if asked to, and answers. */
void modes_serve(struct conn *c, const struct request *r);

/* True if the mode answers as soon as it has seen the head. */
bool modes_wants_head_only(const struct request *r);

void modes_print(FILE *to);

/* /down-until-told: switches what this name answers. -1: too many names. */
int modes_set_up(const char *name, bool up);
void modes_reset(void);

#endif
