/*
 * The control plane, under /_control/ on every port of the peer. All answers are JSON.
 *
 *   GET  count?prefix=/ok[&ids=no]        requests, distinctIds, duplicates, and more (seen.h)
 *   GET  ids?prefix=&after=&limit=        [[id, times, answered2xx]], next (0 at the end)
 *   GET  requests?prefix=/rec/&limit=100  the last recorded ones (record.h)
 *   GET  latency?prefix=                  count, p50, p90, p99, max in ms, from "sentAtNs" members
 *   GET  stats                            connections and requests of the whole process
 *   POST up?name=N, down?name=N           what /down-until-told/N answers
 *   POST reset                            forgets everything but the open connections
 */
#ifndef PEER_CONTROL_H
#define PEER_CONTROL_H

#include "tests/peer/request.h"

struct conn;

void control_serve(struct conn *c, const struct request *r);

#endif
