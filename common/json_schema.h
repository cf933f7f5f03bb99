/*
 * json_schema: whether a JSON text satisfies a JSON Schema, draft 2020-12 or draft-07.
 *
 * Ours because C has none that is kept up: the libraries that exist stop at draft-04, or at part of a later one. The
 * measure is the official JSON-Schema-Test-Suite (tests/unit/jsonschemasuite.sh, with the exceptions by name).
 *
 * The dialect is the one that "$schema" names, 2020-12 if it names none. References lead to places in the same document
 * (also by $id, $anchor and, in 2020-12, $dynamicRef) and to the two metaschemas as wholes; nothing is ever fetched.
 * "format" and the "content..." keywords are annotations and refuse nothing.
 *
 * What is judged are exactly the bytes given. A text that Jansson cannot represent (an integer beyond 64 bits, a real
 * beyond a double, a lone surrogate) or would represent only in part (a key that comes twice) satisfies no schema.
 * Reals are judged as doubles: see json_number.h.
 *
 * Cost: a check takes steps (a schema at a value, a keyword, a member, 64 bytes, an item of a pattern), at most
 * LIMIT_SCHEMA_STEPS and LIMIT_SCHEMA_STEPS_A_BYTE more for each byte, and at most LIMIT_SCHEMA_DEPTH schemas inside
 * each other. The same schema and bytes always cost the same.
 */
#ifndef DLO_COMMON_JSON_SCHEMA_H
#define DLO_COMMON_JSON_SCHEMA_H

#include <stddef.h>

struct json_schema;

/* Neither text shows a value of the instance; a pointer shows its keys. */
struct json_schema_problem {
    char pointer
        [256]; /* where in the instance (or schema): RFC 6901, cut behind a token when too long */
    char detail[256];
};

enum json_schema_result {
    JSON_SCHEMA_OK,
    JSON_SCHEMA_INVALID,
    JSON_SCHEMA_TOO_COSTLY,
    JSON_SCHEMA_NO_MEMORY
};

/*
 * 0 and *out, or -1: not JSON, not a schema, larger than our limits, an unknown draft, a reference to elsewhere, a bad
 * pattern; `why` says. The text is not needed afterwards.
 */
int json_schema_new(const char *text, size_t n, struct json_schema **out,
                    struct json_schema_problem *why);
void json_schema_free(struct json_schema *s);

/* Judges n bytes. `why` is set on any result but OK. Concurrent checks with one schema do not disturb each other. */
enum json_schema_result json_schema_check(const struct json_schema *s, const char *bytes, size_t n,
                                          struct json_schema_problem *why);

/* What it takes in memory, about: for caches. */
size_t json_schema_bytes(const struct json_schema *s);

#endif
