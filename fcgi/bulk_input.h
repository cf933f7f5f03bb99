/*
 * bulk_input: what a bulk call asks for (API.md, POST /v1/dlq/bulk-…): which dead letters, and how they are to be taken.
 *
 *     struct bulk_input in;
 *     if (bulk_input_read(&in, c, body, OPERATION_REDRIVE)) // else a 4xx was answered
 *         ...
 *     bulk_input_release(&in);                              // either way, before the body
 *
 * Strings are borrowed from the body, which must outlive it.
 */
#ifndef DLO_FCGI_BULK_INPUT_H
#define DLO_FCGI_BULK_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/pg_array.h"
#include "common/states.h"
#include "fcgi/entry_filter.h"
#include "fcgi/route.h"

/* How it is to be done; retry-failed takes these and no more. */
struct bulk_pace {
    double rate;   /* items a second; 0: as fast as it goes */
    bool anew;     /* mode "current" */
    bool original; /* target "original" */
    bool probe;
    char start[INSTANT_TEXT_MAX]; /* "": now */
    const char *name, *reason;
};

struct bulk_input {
    enum operation_kind kind;
    struct bulk_pace pace;
    bool dry_run;
    bool by_ids; /* `ids`, else `filter` */
    struct pg_array ids;
    struct entry_filter filter;
    struct list list;     /* what the filter's values were read through */
    int64_t given_ids;    /* without repeats that were sent */
    int64_t max_items;    /* at most what the plan allows */
    int64_t expect_total; /* -1: whatever matches */
    json_t *query;        /* what was asked for, to be shown; times resolved */
};

/* What the plan allows: max_items is at most the plan's, and so is the rate the project's. 403 if it has no bulk at all. */
struct bulk_limits {
    int64_t max_items;
    double max_rate;
};
bool bulk_input_limits(struct call *c, struct bulk_limits *out);

bool bulk_input_read(struct bulk_input *in, struct call *c, const json_t *body,
                     enum operation_kind kind);
void bulk_input_release(struct bulk_input *in);

/* The members ratePerSecond, probe, startAt, mode, target, name, reason; `pace` holds what is meant by none of them. */
bool bulk_input_pace(struct bulk_pace *pace, struct call *c, const json_t *body,
                     enum operation_kind kind, const struct bulk_limits *limits);
/* ratePerSecond alone: *rate is left as it is when absent; null is the usual one of this kind. */
bool bulk_input_rate(struct call *c, const json_t *body, enum operation_kind kind,
                     const struct bulk_limits *limits, double *rate);

#endif
