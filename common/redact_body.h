/*
 * redact_body: what is kept of an answer's body when its project hides values by path (json_path.h).
 *
 * Whether it is JSON is seen from the bytes, not from what the receiver says that they are.
 *   - JSON: each value at a path becomes "[redacted]", whatever it was; every other byte stays.
 *   - JSON that ends too soon (cut by us, or by the receiver): the same, a value that was cut too.
 *   - What begins as JSON and is not: the same up to the first byte that cannot be understood; REDACT_MARK for the rest.
 *   - Any other text (an error page): kept, unless it holds the last name of a path (in any case), or there is a path
 *     that has no name; then all of it is REDACT_MARK. So is what is not UTF-8: it may be compressed.
 * A byte order mark before the JSON is passed over. JSON inside of a string is a string.
 */
#ifndef DLO_COMMON_REDACT_BODY_H
#define DLO_COMMON_REDACT_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/json_path.h"

/* Appends to `out`, up to its cap. False: there was no room for all of it, and the end is missing. */
bool redact_body(const struct json_path_set *paths, const char *in, size_t n, struct buf *out);

#endif
