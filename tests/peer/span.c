/*
 * Owns nothing: views are passed by value. Must never read outside the view it was given.
 */
#include "tests/peer/span.h"

#include <string.h>

struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

bool span_is(struct span s, const char *text)
{
    size_t len = strlen(text);
    return s.len == len && memcmp(s.p, text, len) == 0;
}

bool span_starts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

struct span span_skip(struct span s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return (struct span){s.p + n, s.len - n};
}

struct span span_cut(struct span *s, char sep)
{
    const char *at = s->len ? memchr(s->p, sep, s->len) : NULL;
    size_t n = at ? (size_t)(at - s->p) : s->len;
    struct span head = {s->p, n};
    *s = span_skip(*s, n + (at ? 1 : 0));
    return head;
}

unsigned long span_number(struct span s, unsigned long fallback, unsigned long most)
{
    unsigned long value = 0;
    size_t i = 0;
    for (; i < s.len && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        value = value * 10 + (unsigned long)(s.p[i] - '0');
        if (value > most)
            value = most;
    }
    return i ? value : fallback;
}
