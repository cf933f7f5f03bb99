/*
 * What a listening address does with a connection before any request was read: some that misbehave do it there, where
 * no path can be chosen.
 */
#ifndef PEER_DOOR_H
#define PEER_DOOR_H

#include <stdio.h>

struct door;

/* NULL: no such door. */
const struct door *door_find(const char *name);
/* Before listen(): options of the listening socket. */
void door_prepare(const struct door *d, int fd);
/* Takes the accepted descriptor in any case. */
void door_enter(const struct door *d, int fd);
void door_print(FILE *to);

#endif
