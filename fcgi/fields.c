/* See fields.h. Owns nothing: values stay the object's. Must never echo a value, which may be a secret. */
#include "fcgi/fields.h"

#include <stdio.h>
#include <string.h>

#define OFFENDERS_MAX 16
#define POINTER_MAX 144

static bool in(const char *const names[], const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* A member's name as a JSON Pointer (RFC 6901 section 3), cut at a character. */
static void pointer_of(const char *name, char out[POINTER_MAX])
{
    size_t n = 0;
    out[n++] = '/';
    for (const char *p = name; *p; p++) {
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;
        if (starts && n + 6 > POINTER_MAX)
            break;
        if (*p == '~' || *p == '/') {
            out[n++] = '~';
            out[n++] = *p == '~' ? '0' : '1';
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
}

bool fields_known(struct call *c, const json_t *o, const char *const known[],
                  const char *const later[])
{
    char pointers[OFFENDERS_MAX][POINTER_MAX];
    struct response_error errors[OFFENDERS_MAX];
    size_t n = 0;
    bool unknown = false;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)o, name, value)
    {
        bool is_later = in(later, name);
        if (in(known, name) || n == OFFENDERS_MAX)
            continue;
        pointer_of(name, pointers[n]);
        errors[n] = (struct response_error){pointers[n], is_later ? "known, but not available yet"
                                                                  : "there is no such field"};
        unknown = unknown || !is_later;
        n++;
    }
    if (n == 0)
        return true;
    response_problem(c->rs, unknown ? 400 : 422, unknown ? "unknown-field" : "not-available",
                     unknown ? "The body has a field that is not known here."
                             : "The body has a field that is not available yet.",
                     errors, n);
    return false;
}

static bool wrong(struct call *c, const char *name, const char *code, const char *what)
{
    char pointer[POINTER_MAX];
    pointer_of(name, pointer);
    response_field_problem(c->rs, 400, code, pointer, "%s %s.", name, what);
    return false;
}

static const json_t *member(const json_t *o, const char *name)
{
    const json_t *value = json_object_get(o, name);
    return value && !json_is_null(value) ? value : NULL;
}

bool fields_string(struct call *c, const json_t *o, const char *name, size_t min, size_t max,
                   const char **out)
{
    char what[80];
    const json_t *value = member(o, name);
    *out = NULL;
    if (!value)
        return true;
    if (!json_is_string(value))
        return wrong(c, name, "wrong-type", "must be a string");
    size_t n = json_string_length(value);
    snprintf(what, sizeof what, "must have %zu to %zu bytes", min, max);
    if (n < min || n > max)
        return wrong(c, name, "out-of-range", what);
    *out = json_string_value(value);
    return true;
}

bool fields_string_required(struct call *c, const json_t *o, const char *name, size_t min,
                            size_t max, const char **out)
{
    if (!fields_string(c, o, name, min, max, out))
        return false;
    return *out ? true : wrong(c, name, "missing-field", "is required");
}

bool fields_int(struct call *c, const json_t *o, const char *name, int64_t min, int64_t max,
                int64_t *out)
{
    char what[96];
    const json_t *value = member(o, name);
    if (!value)
        return true;
    if (!json_is_integer(value))
        return wrong(c, name, "wrong-type", "must be an integer");
    snprintf(what, sizeof what, "must lie between %lld and %lld", (long long)min, (long long)max);
    if (json_integer_value(value) < min || json_integer_value(value) > max)
        return wrong(c, name, "out-of-range", what);
    *out = json_integer_value(value);
    return true;
}

bool fields_bool(struct call *c, const json_t *o, const char *name, bool *out)
{
    const json_t *value = member(o, name);
    if (!value)
        return true;
    if (!json_is_boolean(value))
        return wrong(c, name, "wrong-type", "must be true or false");
    *out = json_is_true(value);
    return true;
}

bool fields_choice(struct call *c, const json_t *o, const char *name, const char *first,
                   const char *second, bool *is_second)
{
    char what[80];
    const char *value;
    if (!fields_string(c, o, name, 1, 32, &value))
        return false;
    if (!value)
        return true;
    *is_second = strcmp(value, second) == 0;
    if (*is_second || strcmp(value, first) == 0)
        return true;
    snprintf(what, sizeof what, "is \"%s\" or \"%s\"", first, second);
    return wrong(c, name, "bad-value", what);
}

bool fields_strings(struct call *c, const json_t *o, const char *name, size_t max_items, size_t max,
                    const json_t **out)
{
    char what[96];
    const json_t *value = member(o, name);
    *out = NULL;
    if (!value)
        return true;
    snprintf(what, sizeof what, "must be an array of at most %zu strings of 1 to %zu bytes",
             max_items, max);
    if (!json_is_array(value))
        return wrong(c, name, "wrong-type", what);
    if (json_array_size(value) > max_items)
        return wrong(c, name, "out-of-range", what);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item))
            return wrong(c, name, "wrong-type", what);
        if (json_string_length(item) < 1 || json_string_length(item) > max)
            return wrong(c, name, "out-of-range", what);
    }
    *out = value;
    return true;
}
