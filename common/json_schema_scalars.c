/*
 * The keywords about single values: type, enum, const, numbers and strings.
 *
 * Owns nothing; patterns belong to the schema. Must never tell a value in a problem: what is refused may be a secret.
 * A keyword's form was checked by json_schema_shape before any function here sees it.
 */
#include "common/json_schema_parts.h"

#include <string.h>

#include "common/json_number.h"

/* --- any value ---------------------------------------------------------------------------------------------------- */

enum types {
    TYPE_NULL = 1 << 0,
    TYPE_BOOLEAN = 1 << 1,
    TYPE_INTEGER = 1 << 2,
    TYPE_NUMBER = 1 << 3,
    TYPE_STRING = 1 << 4,
    TYPE_ARRAY = 1 << 5,
    TYPE_OBJECT = 1 << 6
};

static const char *const type_names[] = {"null",   "boolean", "integer", "number",
                                         "string", "array",   "object"};
#define NTYPES (sizeof type_names / sizeof *type_names)

static unsigned type_bit(const json_t *name)
{
    unsigned i = 0;
    while (i < NTYPES - 1 && strcmp(type_names[i], json_string_value(name)) != 0)
        i++;
    return 1u << i;
}

static unsigned types_of(const json_t *value)
{
    static const unsigned types[] = {
        [JSON_OBJECT] = TYPE_OBJECT, [JSON_ARRAY] = TYPE_ARRAY,
        [JSON_STRING] = TYPE_STRING, [JSON_INTEGER] = TYPE_INTEGER | TYPE_NUMBER,
        [JSON_REAL] = TYPE_NUMBER,   [JSON_TRUE] = TYPE_BOOLEAN,
        [JSON_FALSE] = TYPE_BOOLEAN, [JSON_NULL] = TYPE_NULL};
    bool whole = json_is_real(value) && json_number_is_integer(value);
    return types[json_typeof(value)] | (whole ? TYPE_INTEGER : 0u);
}

static bool fail_type(const struct schema_run *run, unsigned wanted)
{
    char names[80] = "";
    size_t n = 0;
    for (size_t i = 0; i < NTYPES; i++)
        if (wanted & 1u << i) {
            const char *before = n ? " or " : "";
            memcpy(names + n, before, strlen(before));
            n += strlen(before);
            memcpy(names + n, type_names[i], strlen(type_names[i]) + 1);
            n += strlen(type_names[i]);
        }
    return json_schema_run_fail(run, "must be of type %s", names);
}

static bool check_type(const struct schema_run *run, const struct schema_rule *rule)
{
    return (types_of(run->value) & rule->types) != 0 || fail_type(run, rule->types);
}

static bool make_type(struct schema_index *ix, const struct schema_node *node,
                      struct schema_rule *rule)
{
    const json_t *value = json_object_get(node->json, "type");
    (void)ix;
    if (json_is_string(value))
        rule->types = type_bit(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        rule->types |= type_bit(json_array_get(value, i));
    rule->check = check_type;
    return true;
}

static bool check_const(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_schema_equal(run, run->value, rule->value) ||
           json_schema_run_fail(run, "must be the constant of the schema");
}

static bool check_enum(const struct schema_run *run, const struct schema_rule *rule)
{
    for (size_t i = 0; i < json_array_size(rule->value); i++)
        if (json_schema_equal(run, run->value, json_array_get(rule->value, i)))
            return true;
    return json_schema_run_fail(run, "must be one of the %zu values of enum",
                                json_array_size(rule->value));
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static bool check_multiple(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_number_is_multiple(run->value, rule->value) ||
           json_schema_run_fail(run, "must be a multiple of %.17g", json_number_value(rule->value));
}

static bool check_maximum(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_number_compare(run->value, rule->value) <= 0 ||
           json_schema_run_fail(run, "must be at most %.17g", json_number_value(rule->value));
}

static bool check_below(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_number_compare(run->value, rule->value) < 0 ||
           json_schema_run_fail(run, "must be less than %.17g", json_number_value(rule->value));
}

static bool check_minimum(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_number_compare(run->value, rule->value) >= 0 ||
           json_schema_run_fail(run, "must be at least %.17g", json_number_value(rule->value));
}

static bool check_above(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_number_compare(run->value, rule->value) > 0 ||
           json_schema_run_fail(run, "must be greater than %.17g", json_number_value(rule->value));
}

/* --- strings ------------------------------------------------------------------------------------------------------ */

/* In characters, as the specification counts (RFC 8259 section 7), not in bytes. */
static size_t characters(const json_t *string)
{
    const char *p = json_string_value(string);
    size_t n = 0;
    for (size_t i = 0; i < json_string_length(string); i++)
        n += ((unsigned char)p[i] & 0xc0) != 0x80;
    return n;
}

static bool check_max_length(const struct schema_run *run, const struct schema_rule *rule)
{
    return characters(run->value) <= rule->count ||
           json_schema_run_fail(run, "must have at most %zu characters", rule->count);
}

static bool check_min_length(const struct schema_run *run, const struct schema_rule *rule)
{
    return characters(run->value) >= rule->count ||
           json_schema_run_fail(run, "must have at least %zu characters", rule->count);
}

static bool check_pattern(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_schema_run_matches(run, rule->pattern, json_string_value(run->value),
                                   json_string_length(run->value)) ||
           json_schema_run_fail(run, "does not match the pattern");
}

static bool make_pattern(struct schema_index *ix, const struct schema_node *node,
                         struct schema_rule *rule)
{
    const json_t *text = json_object_get(node->json, "pattern");
    rule->pattern = json_schema_index_pattern(ix, node, "pattern", json_string_value(text),
                                              json_string_length(text));
    rule->check = check_pattern;
    return rule->pattern != NULL;
}

/* --- rules that take the keyword's value as it is ----------------------------------------------------------------- */

#define TAKE_VALUE(keyword, function)                                                              \
    static bool make_##function(struct schema_index *ix, const struct schema_node *node,           \
                                struct schema_rule *rule)                                          \
    {                                                                                              \
        (void)ix;                                                                                  \
        rule->value = json_object_get(node->json, keyword);                                        \
        rule->check = check_##function;                                                            \
        return true;                                                                               \
    }

#define TAKE_COUNT(keyword, function)                                                              \
    static bool make_##function(struct schema_index *ix, const struct schema_node *node,           \
                                struct schema_rule *rule)                                          \
    {                                                                                              \
        (void)ix;                                                                                  \
        rule->check = check_##function;                                                            \
        return json_number_count(json_object_get(node->json, keyword), &rule->count);              \
    }

TAKE_VALUE("const", const)
TAKE_VALUE("enum", enum)
TAKE_VALUE("multipleOf", multiple)
TAKE_VALUE("maximum", maximum)
TAKE_VALUE("exclusiveMaximum", below)
TAKE_VALUE("minimum", minimum)
TAKE_VALUE("exclusiveMinimum", above)
TAKE_COUNT("maxLength", max_length)
TAKE_COUNT("minLength", min_length)

const struct schema_keyword json_schema_scalars_keywords[] = {
    {{"type"}, DRAFT_ANY, KIND_ANY, make_type},
    {{"const"}, DRAFT_ANY, KIND_ANY, make_const},
    {{"enum"}, DRAFT_ANY, KIND_ANY, make_enum},
    {{"multipleOf"}, DRAFT_ANY, KIND_NUMBER, make_multiple},
    {{"maximum"}, DRAFT_ANY, KIND_NUMBER, make_maximum},
    {{"exclusiveMaximum"}, DRAFT_ANY, KIND_NUMBER, make_below},
    {{"minimum"}, DRAFT_ANY, KIND_NUMBER, make_minimum},
    {{"exclusiveMinimum"}, DRAFT_ANY, KIND_NUMBER, make_above},
    {{"maxLength"}, DRAFT_ANY, KIND_STRING, make_max_length},
    {{"minLength"}, DRAFT_ANY, KIND_STRING, make_min_length},
    {{"pattern"}, DRAFT_ANY, KIND_STRING, make_pattern},
    {{NULL}, 0, 0, NULL},
};
