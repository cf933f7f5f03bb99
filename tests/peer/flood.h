/*
 * Modes that answer too much: without end, or far more than anybody wants.
 */
#ifndef PEER_FLOOD_H
#define PEER_FLOOD_H

#include "tests/peer/visit.h"

int flood_big(const struct visit *v);
int flood_body(const struct visit *v);
int flood_interim(const struct visit *v);
int flood_headers(const struct visit *v);
int flood_chunks(const struct visit *v);
int flood_trailers(const struct visit *v);
int flood_bomb(const struct visit *v);
int flood_transfer_bomb(const struct visit *v);
int flood_many_headers(const struct visit *v);
int flood_long_header(const struct visit *v);
int flood_long_status(const struct visit *v);

#endif
