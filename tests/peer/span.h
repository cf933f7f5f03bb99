/*
 * A borrowed view of some bytes: valid only as long as what it points into. Never NUL-terminated.
 */
#ifndef PEER_SPAN_H
#define PEER_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *p;
    size_t len;
};

struct span span_of(const char *text);
bool span_is(struct span s, const char *text);
bool span_starts(struct span s, struct span prefix);
struct span span_skip(struct span s, size_t n);
/* Cuts s at the first `sep` (or at its end) and returns what was before; s is what is after. */
struct span span_cut(struct span *s, char sep);
/* Decimal digits up to the first other byte; `fallback` if there are none, capped at `most`. */
unsigned long span_number(struct span s, unsigned long fallback, unsigned long most);

#endif
