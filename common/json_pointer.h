/*
 * json_pointer: where in a JSON text something is, as a chain of places on the way down and as text (RFC 6901).
 *
 * A place costs two words and no memory of its own: a walk keeps one in each of its frames, and text is made only for
 * what is told to somebody.
 */
#ifndef DLO_COMMON_JSON_POINTER_H
#define DLO_COMMON_JSON_POINTER_H

#include <stddef.h>

#include <jansson.h>

struct json_place {
    const struct json_place *up; /* NULL: this is the root, key and index mean nothing */
    const char *key;             /* NULL: an element of an array */
    size_t index;
};

/*
 * The pointer's text, NUL-terminated. What does not fit in cap is cut behind a whole token, or within the first one
 * behind a whole character.
 */
void json_pointer_write(const struct json_place *at, char *out, size_t cap);

/* Drops the last character of a text of UTF-8 if the end was cut off it. */
void json_pointer_mend(char *text);

/*
 * One step from `json` along *pointer, which stands at a "/" and is moved to the next one or the end. NULL: nothing is
 * there, or the token is malformed. The step's key (the document's own text) and index are set, its `up` is left.
 */
const json_t *json_pointer_step(const json_t *json, const char **pointer, struct json_place *step);

#endif
