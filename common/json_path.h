/*
 * json_path: where a set of paths leads in a JSON text, found in one pass over its bytes.
 *
 * A part of JSONPath (RFC 9535): the root and, as child or descendant segments, one selector each: a name, an index from
 * the front, or all. `$`, `$.card.number`, `$['odd name']`, `$.items[0]`, `$.items[*].secret`, `$.*`, `$..password`,
 * `$..[*]`, `$..['x']`. Filters, slices, lists of selectors and indexes from the end are refused as such. Names are
 * compared decoded, so "pass\u0077ord" is found, and every member of an object that has a name twice.
 *
 * Ours because there is no well-kept library in C: those that exist were written before the RFC, or belong to a JSON
 * library of their own that would build a tree first. The measure is the official compliance test suite
 * (tests/unit/jsonpathsuite.sh).
 *
 * Cost: all paths of a set are one automaton, a bit for each segment and one behind the last (shift-and). A member or
 * element costs a look-up of its name and JSON_PATH_BITS / 64 words, whatever the paths; a subtree that none of them can
 * enter is skipped.
 */
#ifndef DLO_COMMON_JSON_PATH_H
#define DLO_COMMON_JSON_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json_scan.h"

#define JSON_PATH_BYTES_MAX 200 /* of one path */
#define JSON_PATH_BITS 512      /* segments of all paths of a set, and one a path */

struct json_path_set; /* never changes but by json_path_add */

enum json_path_result {
    JSON_PATH_OK,
    JSON_PATH_SYNTAX,      /* not a JSONPath */
    JSON_PATH_UNSUPPORTED, /* perhaps one, with a selector that is not taken here */
    JSON_PATH_TOO_LONG,    /* more than JSON_PATH_BYTES_MAX */
    JSON_PATH_TOO_MANY,    /* the set would have more than JSON_PATH_BITS */
    JSON_PATH_NO_MEMORY
};

enum json_path_end {
    JSON_PATH_WHOLE,     /* one JSON text, all of it */
    JSON_PATH_CUT_SHORT, /* the beginning of one */
    JSON_PATH_MALFORMED  /* from *end on it is none */
};

/* What a path leads to: the value as written, with *end behind it; up to the text's end if that is cut short. */
typedef void json_path_found(void *arg, struct json_slice value);

struct json_path_set *json_path_new(void); /* empty. NULL: out of memory */
void json_path_free(struct json_path_set *set);

/* Takes a path of len bytes in. On another result than OK the set is as it was. */
enum json_path_result json_path_add(struct json_path_set *set, const char *path, size_t len);
/* A sentence about a path for whoever wrote it. */
const char *json_path_why(enum json_path_result result);

/*
 * Calls `found` for each value that a path leads to, in the text's order; what is inside such a value is not looked at
 * any more. All before *end has been understood, also when the rest is missing or malformed.
 */
enum json_path_end json_path_each(const struct json_path_set *set, const char *text, size_t len,
                                  size_t *end, json_path_found *found, void *arg);

/*
 * For a text that is no JSON: does it hold the last name of one of the paths, in any case of ASCII letters? Also true when
 * a path has no name by which that could be told, when there is no memory, and for \u, which may spell any name.
 */
bool json_path_mentioned(const struct json_path_set *set, const char *text, size_t len);

#endif
