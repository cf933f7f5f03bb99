/*
 * desk_share: long reads (export, search) hold at most part of the desk, and one of them a project; whoever comes too many
 * is told to come again. Everything else always finds a responder.
 */
#ifndef DLO_FCGI_DESK_SHARE_H
#define DLO_FCGI_DESK_SHARE_H

#include <stdbool.h>

#include "fcgi/route.h"

/* false: 429 busy was answered. Else desk_share_leave() is to be called when the read is over. */
bool desk_share_enter(struct call *c);
void desk_share_leave(void);

#endif
