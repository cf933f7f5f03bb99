/*
 * Modes that answer with fixed bytes, most of which are not HTTP or not quite, and then close. A table of its own: the
 * name is the mode's.
 */
#ifndef PEER_RAW_H
#define PEER_RAW_H

#include "tests/peer/visit.h"

#include <stdio.h>

bool raw_knows(struct span name);
int raw_answer(const struct visit *v);
void raw_print(FILE *to);

#endif
