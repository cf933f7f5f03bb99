/*
 * fields: reading the members of a JSON object, with the answers of API.md "Form" for what is wrong with them.
 *
 * Each function returns false when it has answered (400 or 422 with the field's JSON Pointer); the handler then returns.
 * Strings are borrowed from the object. `null` counts as absent.
 */
#ifndef DLO_FCGI_FIELDS_H
#define DLO_FCGI_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "fcgi/route.h"

/*
 * Every member's name must be in `known`. One in `later` (may be NULL) is 422 not-available, any other 400
 * unknown-field; all offenders are listed. Both arrays end with NULL.
 */
bool fields_known(struct call *c, const json_t *o, const char *const known[],
                  const char *const later[]);

/* A string of min..max bytes; *out is NULL when absent. */
bool fields_string(struct call *c, const json_t *o, const char *name, size_t min, size_t max,
                   const char **out);
/* The same, required (400 missing-field). */
bool fields_string_required(struct call *c, const json_t *o, const char *name, size_t min,
                            size_t max, const char **out);
/* An integer min..max; *out is left as it is when absent. */
bool fields_int(struct call *c, const json_t *o, const char *name, int64_t min, int64_t max,
                int64_t *out);
/* true or false; *out is left as it is when absent. */
bool fields_bool(struct call *c, const json_t *o, const char *name, bool *out);
/* One of two words; *is_second is left as it is when absent. */
bool fields_choice(struct call *c, const json_t *o, const char *name, const char *first,
                   const char *second, bool *is_second);
/* An array of at most max_items strings of 1..max bytes; *out borrowed, NULL when absent. */
bool fields_strings(struct call *c, const json_t *o, const char *name, size_t max_items, size_t max,
                    const json_t **out);

#endif
