/*
 * The families of series that /metrics shows of the database and of senders: name, type, meaning. docs/METRICS.md prints
 * them with their labels, and a test holds the page and that file against each other.
 *
 * Prometheus' text format 0.0.4: a line # HELP and a line # TYPE before the first sample of a family. A histogram's
 * samples end in _bucket, _sum, _count.
 */
#ifndef DLO_COMMON_FAMILY_H
#define DLO_COMMON_FAMILY_H

#include <stddef.h>

struct family {
    const char *name;
    const char *type; /* counter, gauge, histogram */
    const char *help; /* one line without backslashes */
};

/* The family of a series (up to its '{' or its end), or NULL: a sender of another version has it. */
const struct family *family_of(const char *series);

#endif
