/*
 * When two JSON values are the same one (2020-12 core section 4.2.2). Owns nothing. Must never compare without taking
 * steps: enum, const and uniqueItems run it over whatever a payload holds. Recursion is bounded by the parser's depth.
 */
#include "common/json_schema_parts.h"

#include <string.h>

#include "common/json_number.h"

#define BYTES_A_STEP 64
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static bool equal_strings(const struct schema_run *run, const json_t *a, const json_t *b)
{
    size_t n = json_string_length(a);
    return n == json_string_length(b) && json_schema_run_spend(run, n / BYTES_A_STEP) &&
           memcmp(json_string_value(a), json_string_value(b), n) == 0;
}

static bool equal_arrays(const struct schema_run *run, const json_t *a, const json_t *b)
{
    size_t n = json_array_size(a);
    if (n != json_array_size(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!json_schema_equal(run, json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

static bool equal_objects(const struct schema_run *run, const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        if (!other || !json_schema_equal(run, value, other))
            return false;
    }
    return true;
}

bool json_schema_equal(const struct schema_run *run, const json_t *a, const json_t *b)
{
    if (!json_schema_run_spend(run, 1))
        return false;
    if (json_is_number(a) && json_is_number(b))
        return json_number_compare(a, b) == 0;
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_string(a))
        return equal_strings(run, a, b);
    if (json_is_array(a))
        return equal_arrays(run, a, b);
    return !json_is_object(a) || equal_objects(run, a, b);
}

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = FNV_BASIS;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * FNV_PRIME;
    return h;
}

/* Members in any order: the sum of what each is. */
static uint64_t hash_object(const struct schema_run *run, const json_t *value)
{
    uint64_t h = 7;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) h +=
        hash_bytes(key, strlen(key)) * (2 * json_schema_equal_hash(run, member) + 1);
    return h;
}

static uint64_t hash_array(const struct schema_run *run, const json_t *value)
{
    uint64_t h = 11;
    size_t i;
    json_t *element;
    json_array_foreach(value, i, element) h = h * FNV_PRIME + json_schema_equal_hash(run, element);
    return h;
}

uint64_t json_schema_equal_hash(const struct schema_run *run, const json_t *value)
{
    size_t n = json_string_length(value);
    if (!json_schema_run_spend(run, 1 + n / BYTES_A_STEP))
        return 0;
    if (json_is_number(value))
        return json_number_hash(value);
    if (json_is_string(value))
        return hash_bytes(json_string_value(value), n);
    if (json_is_object(value))
        return hash_object(run, value);
    return json_is_array(value) ? hash_array(run, value) : (uint64_t)json_typeof(value);
}
