/*
 * event_type: the names of event types and channels, and the patterns by which webhooks choose
 * among them.
 *
 * A name is 1-128 of [A-Za-z0-9_.-]; dots divide it into parts. In a pattern a part may be '*',
 * only as a whole part: first or in the middle it stands for exactly one part that is not empty, at
 * the end for one or more (any rest that is not empty), alone for every name. `event_type_matches`
 * is the definition. SQL reaches the same answer without evaluating patterns row by row: a pattern
 * with its only star at the end, or none, is found in the list event_type_patterns makes of the
 * name; the others of a webhook are kept as one regular expression.
 */
#ifndef DLO_COMMON_EVENT_TYPE_H
#define DLO_COMMON_EVENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#define EVENT_TYPE_BYTES_MAX 128
#define EVENT_TYPE_PATTERNS_MAX 130 /* the name, "*", and one for each dot */

/* Every list-matchable pattern for one name. item points into text. */
struct event_type_list {
    size_t count;
    const char *item[EVENT_TYPE_PATTERNS_MAX];
    char text[EVENT_TYPE_BYTES_MAX * EVENT_TYPE_PATTERNS_MAX / 2 + 4 * EVENT_TYPE_PATTERNS_MAX];
};

/* Whether len bytes are a name (an event type or a channel). */
bool event_type_valid(const char *name, size_t len);

/* Whether len bytes are a pattern; every name is one. */
bool event_type_pattern_valid(const char *pattern, size_t len);

/* Whether a valid pattern is found by list: no star but a last part. */
bool event_type_pattern_listed(const char *pattern);

/* "a.b.c" -> "a.b.c" "a.b.*" "a.*" "*". The name must be valid. */
void event_type_patterns(const char *name, struct event_type_list *out);

/*
 * One POSIX-style regular expression (PostgreSQL's ~, ARE) for those of n valid patterns that are
 * not listed: ^(?:a\.[^.]+\.c|...)$. 0 with *out malloc'd, or NULL when there is none such; -1 out
 * of memory.
 */
int event_type_regex(const char *const *patterns, size_t n, char **out);

/* The reference: whether a valid pattern takes a valid name. */
bool event_type_matches(const char *pattern, const char *name);

#endif
