/*
 * What the value of each keyword must look like, and where schemas lie in schemas: what the two metaschemas say, as one
 * table. (They describe themselves with $dynamicRef and vocabularies; their effect is this.)
 *
 * Owns the table. Must never look into a reference: a schema may be well-formed and lead nowhere. Recursion is only by
 * json_schema_shape_check, through a run's own depth.
 */
#include "common/json_schema_parts.h"

#include <string.h>

#include "common/json_number.h"

enum shape {
    ANYTHING,
    STRING,
    BOOLEAN,
    NUMBER,
    POSITIVE,
    COUNT,
    TYPE,
    ARRAY,
    OBJECT,
    STRINGS,
    STRINGS_MAP,
    WHOLE_URI,
    ANCHOR,
    SCHEMA,
    SCHEMAS,
    SCHEMA_MAP,
    SCHEMA_OR_SCHEMAS,
    SCHEMA_OR_STRINGS_MAP,
};

static const struct {
    const char *name;
    enum schema_draft drafts;
    enum shape shape;
} keywords[] = {
    {"$id", DRAFT_07, STRING},
    {"$id", DRAFT_2020_12, WHOLE_URI},
    {"$schema", DRAFT_ANY, STRING},
    {"$ref", DRAFT_ANY, STRING},
    {"$comment", DRAFT_ANY, STRING},
    {"$anchor", DRAFT_2020_12, ANCHOR},
    {"$dynamicAnchor", DRAFT_2020_12, ANCHOR},
    {"$dynamicRef", DRAFT_2020_12, STRING},
    {"$vocabulary", DRAFT_2020_12, OBJECT},
    {"$defs", DRAFT_2020_12, SCHEMA_MAP},
    {"definitions", DRAFT_ANY, SCHEMA_MAP},
    {"title", DRAFT_ANY, STRING},
    {"description", DRAFT_ANY, STRING},
    {"default", DRAFT_ANY, ANYTHING},
    {"deprecated", DRAFT_2020_12, BOOLEAN},
    {"readOnly", DRAFT_ANY, BOOLEAN},
    {"writeOnly", DRAFT_ANY, BOOLEAN},
    {"examples", DRAFT_ANY, ARRAY},
    {"format", DRAFT_ANY, STRING},
    {"contentMediaType", DRAFT_ANY, STRING},
    {"contentEncoding", DRAFT_ANY, STRING},
    {"contentSchema", DRAFT_2020_12, SCHEMA},
    {"type", DRAFT_ANY, TYPE},
    {"enum", DRAFT_ANY, ARRAY},
    {"const", DRAFT_ANY, ANYTHING},
    {"multipleOf", DRAFT_ANY, POSITIVE},
    {"maximum", DRAFT_ANY, NUMBER},
    {"exclusiveMaximum", DRAFT_ANY, NUMBER},
    {"minimum", DRAFT_ANY, NUMBER},
    {"exclusiveMinimum", DRAFT_ANY, NUMBER},
    {"maxLength", DRAFT_ANY, COUNT},
    {"minLength", DRAFT_ANY, COUNT},
    {"pattern", DRAFT_ANY, STRING},
    {"maxItems", DRAFT_ANY, COUNT},
    {"minItems", DRAFT_ANY, COUNT},
    {"uniqueItems", DRAFT_ANY, BOOLEAN},
    {"maxContains", DRAFT_2020_12, COUNT},
    {"minContains", DRAFT_2020_12, COUNT},
    {"maxProperties", DRAFT_ANY, COUNT},
    {"minProperties", DRAFT_ANY, COUNT},
    {"required", DRAFT_ANY, STRINGS},
    {"dependentRequired", DRAFT_2020_12, STRINGS_MAP},
    {"allOf", DRAFT_ANY, SCHEMAS},
    {"anyOf", DRAFT_ANY, SCHEMAS},
    {"oneOf", DRAFT_ANY, SCHEMAS},
    {"not", DRAFT_ANY, SCHEMA},
    {"if", DRAFT_ANY, SCHEMA},
    {"then", DRAFT_ANY, SCHEMA},
    {"else", DRAFT_ANY, SCHEMA},
    {"dependentSchemas", DRAFT_2020_12, SCHEMA_MAP},
    {"dependencies", DRAFT_ANY, SCHEMA_OR_STRINGS_MAP},
    {"prefixItems", DRAFT_2020_12, SCHEMAS},
    {"items", DRAFT_07, SCHEMA_OR_SCHEMAS},
    {"items", DRAFT_2020_12, SCHEMA},
    {"additionalItems", DRAFT_07, SCHEMA},
    {"contains", DRAFT_ANY, SCHEMA},
    {"properties", DRAFT_ANY, SCHEMA_MAP},
    {"patternProperties", DRAFT_ANY, SCHEMA_MAP},
    {"additionalProperties", DRAFT_ANY, SCHEMA},
    {"propertyNames", DRAFT_ANY, SCHEMA},
    {"unevaluatedItems", DRAFT_2020_12, SCHEMA},
    {"unevaluatedProperties", DRAFT_2020_12, SCHEMA},
};
#define NKEYWORDS (sizeof keywords / sizeof *keywords)

/* --- forms of values ---------------------------------------------------------------------------------------------- */

static bool anything(const json_t *v)
{
    (void)v;
    return true;
}

static bool string(const json_t *v)
{
    return json_is_string(v);
}

static bool boolean(const json_t *v)
{
    return json_is_boolean(v);
}

static bool number(const json_t *v)
{
    return json_is_number(v);
}

static bool positive(const json_t *v)
{
    return json_is_number(v) && json_number_value(v) > 0;
}

static bool is_count(const json_t *v)
{
    size_t n;
    return json_number_count(v, &n);
}

static bool array(const json_t *v)
{
    return json_is_array(v);
}

static bool object(const json_t *v)
{
    return json_is_object(v);
}

static bool full_array(const json_t *v)
{
    return json_array_size(v) > 0;
}

/* Quadratic in an array that a schema's size bounds; names of members are seldom more than a few dozen. */
static bool comes_once(const json_t *list, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (json_equal(json_array_get(list, j), json_array_get(list, i)))
            return false;
    return true;
}

static bool strings(const json_t *v)
{
    if (!json_is_array(v))
        return false;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i)) || !comes_once(v, i))
            return false;
    return true;
}

static bool type_name(const json_t *v)
{
    static const char *const names[] = {"array",  "boolean", "integer", "null",
                                        "number", "object",  "string"};
    for (size_t i = 0; json_is_string(v) && i < sizeof names / sizeof *names; i++)
        if (strcmp(json_string_value(v), names[i]) == 0)
            return true;
    return false;
}

static bool type(const json_t *v)
{
    if (!full_array(v))
        return type_name(v);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!type_name(json_array_get(v, i)) || !comes_once(v, i))
            return false;
    return true;
}

/* A fragment may be there only if it is empty. */
static bool whole_uri(const json_t *v)
{
    const char *fragment = json_is_string(v) ? strchr(json_string_value(v), '#') : "#?";
    return !fragment || fragment[1] == '\0';
}

static bool anchor(const json_t *v)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    const char *s = json_string_value(v);
    if (!s || !*s || !strchr(letters, *s))
        return false;
    while (*s && (strchr(letters, *s) || strchr("-.0123456789", *s)))
        s++;
    return !*s;
}

static bool array_or_schema(const json_t *v)
{
    return !json_is_array(v) || json_array_size(v) > 0;
}

static const struct {
    bool (*ok)(const json_t *v);
    const char *must;
} shapes[] = {
    [ANYTHING] = {anything, ""},
    [STRING] = {string, "must be a string"},
    [BOOLEAN] = {boolean, "must be true or false"},
    [NUMBER] = {number, "must be a number"},
    [POSITIVE] = {positive, "must be a number greater than 0"},
    [COUNT] = {is_count, "must be a non-negative integer"},
    [TYPE] = {type, "must be the name of a type, or an array of different ones"},
    [ARRAY] = {array, "must be an array"},
    [OBJECT] = {object, "must be an object"},
    [STRINGS] = {strings, "must be an array of different strings"},
    [STRINGS_MAP] = {object, "must be an object"},
    [WHOLE_URI] = {whole_uri, "must be a URI reference without a fragment"},
    [ANCHOR] = {anchor, "must be a name of letters, digits, '_', '-' and '.'"},
    [SCHEMA] = {anything, ""},
    [SCHEMAS] = {full_array, "must be an array of at least one schema"},
    [SCHEMA_MAP] = {object, "must be an object"},
    [SCHEMA_OR_SCHEMAS] = {array_or_schema, "must not be an empty array"},
    [SCHEMA_OR_STRINGS_MAP] = {object, "must be an object"},
};

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static bool each_of_array(struct schema_walk *walk, const json_t *list, const struct json_place *at)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct json_place below = {at, NULL, i};
        if (!walk->each(walk, json_array_get(list, i), &below))
            return false;
    }
    return true;
}

static bool each_of_map(struct schema_walk *walk, const json_t *map, enum shape shape,
                        const struct json_place *at)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        struct json_place below = {at, key, 0};
        bool is_list =
            shape == STRINGS_MAP || (shape == SCHEMA_OR_STRINGS_MAP && json_is_array(value));
        if (is_list ? !strings(value) && !walk->bad(walk, &below, shapes[STRINGS].must)
                    : !walk->each(walk, value, &below))
            return false;
    }
    return true;
}

static bool look(struct schema_walk *walk, enum shape shape, const json_t *value,
                 const struct json_place *at)
{
    if (!shapes[shape].ok(value))
        return walk->bad(walk, at, shapes[shape].must);
    switch (shape) {
    case SCHEMA_OR_SCHEMAS:
        return json_is_array(value) ? each_of_array(walk, value, at) : walk->each(walk, value, at);
    case SCHEMA:
        return walk->each(walk, value, at);
    case SCHEMAS:
        return each_of_array(walk, value, at);
    case SCHEMA_MAP:
    case STRINGS_MAP:
    case SCHEMA_OR_STRINGS_MAP:
        return each_of_map(walk, value, shape, at);
    default:
        return true;
    }
}

bool json_schema_shape_walk(struct schema_walk *walk, const json_t *object_,
                            const struct json_place *at)
{
    for (size_t i = 0; i < NKEYWORDS; i++) {
        struct json_place below = {at, keywords[i].name, 0};
        const json_t *value = json_object_get(object_, keywords[i].name);
        if (value && keywords[i].drafts & walk->draft &&
            !look(walk, keywords[i].shape, value, &below))
            return false;
    }
    return true;
}

enum schema_draft json_schema_shape_draft(const char *uri)
{
    static const struct {
        const char *uri;
        enum schema_draft draft;
    } known[] = {{"http://json-schema.org/draft-07/schema", DRAFT_07},
                 {"https://json-schema.org/draft/2020-12/schema", DRAFT_2020_12}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].uri);
        if (strncmp(uri, known[i].uri, n) == 0 && strcmp(uri + n, uri[n] == '#' ? "#" : "") == 0)
            return known[i].draft;
    }
    return 0;
}

/* --- an instance that must be a schema ---------------------------------------------------------------------------- */

struct instance_walk {
    struct schema_walk walk;
    const struct schema_run *run;
};

static const struct schema_run *run_of(struct schema_walk *walk)
{
    return ((struct instance_walk *)walk)->run;
}

static bool instance_bad(struct schema_walk *walk, const struct json_place *at, const char *what)
{
    struct schema_run there = *run_of(walk);
    there.at = at;
    return json_schema_run_fail(&there, "%s", what);
}

static bool instance_each(struct schema_walk *walk, const json_t *sub, const struct json_place *at)
{
    struct schema_budget *b = run_of(walk)->budget;
    if (!json_schema_run_spend(run_of(walk), NKEYWORDS))
        return false;
    if (b->depth == LIMIT_SCHEMA_DEPTH)
        return json_schema_run_stop(run_of(walk), JSON_SCHEMA_TOO_COSTLY);
    b->depth++;
    bool ok =
        json_is_boolean(sub) || (json_is_object(sub) ? json_schema_shape_walk(walk, sub, at)
                                                     : instance_bad(walk, at, "must be a schema"));
    b->depth--;
    return ok;
}

bool json_schema_shape_check(const struct schema_run *run, const struct schema_rule *rule)
{
    struct instance_walk w = {{(enum schema_draft)rule->count, instance_each, instance_bad}, run};
    return instance_each(&w.walk, run->value, run->at);
}
