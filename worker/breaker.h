/*
 * A destination's circuit breaker: it opens when too large a share of its requests fails, lets one probe through after
 * a cool-down that doubles with each probe that fails, and closes after some that succeed.
 *
 * Permanent failures count as well: a deploy that answers 404 for half a minute must not kill a backlog. While it is
 * open nothing is read and nothing is written; deliveries are held. After closing, the rate begins at one a second and
 * at most doubles each second, so that a receiver which has just come back is not knocked over by what waited for it.
 *
 * Pure: time is a parameter (clock_ms()), what is to be told or stored is the caller's.
 */
#ifndef DLO_WORKER_BREAKER_H
#define DLO_WORKER_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ids.h"

/* Numbers as in the column breakers.state; closed has no row. */
enum breaker_state { BREAKER_CLOSED = 0, BREAKER_OPEN = 1, BREAKER_HALF_OPEN = 2 };

enum breaker_event {
    BREAKER_TRIPPED,      /* the share of failures was reached */
    BREAKER_COOLED,       /* the cool-down is over, or somebody asked to try now */
    BREAKER_PROBE_FAILED, /* */
    BREAKER_RECOVERED,    /* enough probes succeeded */
    BREAKER_RESET         /* the webhook was changed: what was learnt is void */
};

struct breaker_transition {
    enum breaker_state from;
    enum breaker_event event;
    enum breaker_state to;
    const char *why;
};
extern const struct breaker_transition breaker_transitions[];
extern const size_t breaker_transitions_count;

/* The operator's settings. */
struct breaker_rules {
    int requests; /* at least so many in the window; 0: breakers never open */
    int failure_percent;
    int64_t window_ms;
    int64_t cooldown_ms; /* the first; doubles up to BREAKER_COOLDOWN_MAX_MS */
};

#define BREAKER_COOLDOWN_MAX_MS 300000
#define BREAKER_MEMORY_MS                                                                          \
    300000                /* opened again so soon after closing: the cool-down goes on doubling */
#define BREAKER_PROBES 3  /* successes that close it */
#define BREAKER_RAMP_S 12 /* 2^12 a second is more than one destination gets */
#define BREAKER_SLICES 6
#define BREAKER_CITED 5

struct breaker {
    enum breaker_state state;
    unsigned era;     /* another one whenever what was begun before says nothing about now */
    int64_t until_ms; /* open: when the probing begins */
    int64_t cooldown_ms;
    int64_t closed_at_ms; /* after an opening; 0: never was open */
    int64_t ramp_second;
    int ramp_begun; /* requests begun in that second */
    int probes;     /* that succeeded, in a row */
    struct {
        int64_t number; /* of the slice, since the clock's zero */
        int requests, failures;
    } slices[BREAKER_SLICES];         /* the window */
    struct uuid cited[BREAKER_CITED]; /* deliveries that opened it, newest first */
    int ncited;
    int failures, requests; /* of the window that opened it */
};

/* May a request begin, when `inflight` of this destination are under way? */
bool breaker_may_send(const struct breaker *b, int inflight, int64_t now_ms);
void breaker_began(struct breaker *b, int64_t now_ms);

/* Each of these returns true when the state changed. A result counts only if its request was begun in this era. */
bool breaker_result(struct breaker *b, const struct breaker_rules *rules, bool failed,
                    const struct uuid *delivery, int64_t now_ms);
bool breaker_cool(struct breaker *b, int64_t now_ms);      /* has the cool-down ended? */
bool breaker_probe_now(struct breaker *b, int64_t now_ms); /* do not wait for its end */
bool breaker_reset(struct breaker *b);

/* As it was stored; `left_ms` until the probing begins. */
void breaker_restore(struct breaker *b, enum breaker_state state, int64_t left_ms,
                     int64_t cooldown_ms, int64_t now_ms);

#endif
