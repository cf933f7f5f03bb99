/*
 * The keywords about objects.
 *
 * Owns nothing. properties, patternProperties and additionalProperties are one rule, because the last is about what the
 * other two left over: a member is looked up once. Marks every member that a schema was applied to, for
 * unevaluatedProperties; a member is known by its position, which does not change while nobody writes to the object.
 */
#include "common/json_schema_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_number.h"

/* Jansson's iteration takes no const object; it changes none. */
#define EACH_MEMBER(object, key, value)                                                            \
    json_object_foreach((json_t *)(uintptr_t)(object), key, value)

/* --- the members -------------------------------------------------------------------------------------------------- */

struct named {
    const char *name;
    const struct schema_node *node;
};

struct matched {
    const struct json_pattern *pattern;
    const struct schema_node *node;
};

struct members {
    size_t nnamed, nmatched;
    const struct named *named; /* by name */
    const struct matched *matched;
    const struct schema_node *rest; /* NULL: anything, and nobody has looked at it */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

struct member {
    const char *key;
    size_t key_len, index;
    const json_t *value;
    bool seen;
};

static bool run_member(const struct schema_run *run, const struct schema_node *node,
                       struct member *m)
{
    m->seen = true;
    return json_schema_run_below(run, node, m->value, m->key, 0);
}

static bool check_member(const struct schema_run *run, const struct members *all, struct member *m)
{
    struct named wanted = {m->key, NULL};
    const struct named *found =
        all->nnamed ? bsearch(&wanted, all->named, all->nnamed, sizeof wanted, by_name) : NULL;
    if (found && !run_member(run, found->node, m))
        return false;
    for (size_t i = 0; i < all->nmatched; i++)
        if (json_schema_run_matches(run, all->matched[i].pattern, m->key, m->key_len) &&
            !run_member(run, all->matched[i].node, m))
            return false;
    if (!m->seen && all->rest && !run_member(run, all->rest, m))
        return false;
    if (m->seen)
        json_schema_run_mark(run, m->index);
    return json_schema_run_spend(run, 1);
}

static bool check_members(const struct schema_run *run, const struct schema_rule *rule)
{
    size_t i = 0;
    const char *key;
    json_t *value;
    EACH_MEMBER(run->value, key, value)
    {
        struct member m = {key, strlen(key), i++, value, false};
        if (!check_member(run, rule->parts, &m))
            return false;
    }
    return true;
}

static bool take_named(struct schema_index *ix, const json_t *map, struct members *m)
{
    const char *key;
    json_t *value;
    struct named *named = json_schema_index_take(ix, json_object_size(map), sizeof *named);
    if (!named)
        return false;
    EACH_MEMBER(map, key, value)
    named[m->nnamed++] = (struct named){key, json_schema_index_node(ix, value)};
    qsort(named, m->nnamed, sizeof *named, by_name);
    m->named = named;
    return true;
}

static bool take_matched(struct schema_index *ix, const struct schema_node *node, const json_t *map,
                         struct members *m)
{
    const char *key;
    json_t *value;
    struct matched *matched = json_schema_index_take(ix, json_object_size(map), sizeof *matched);
    if (!matched)
        return false;
    EACH_MEMBER(map, key, value)
    {
        const struct json_pattern *p =
            json_schema_index_pattern(ix, node, "patternProperties", key, strlen(key));
        if (!p)
            return false;
        matched[m->nmatched++] = (struct matched){p, json_schema_index_node(ix, value)};
    }
    m->matched = matched;
    return true;
}

static bool make_members(struct schema_index *ix, const struct schema_node *node,
                         struct schema_rule *rule)
{
    struct members *m = json_schema_index_take(ix, 1, sizeof *m);
    const json_t *rest = json_object_get(node->json, "additionalProperties");
    rule->parts = m;
    rule->check = check_members;
    if (!m || !take_named(ix, json_object_get(node->json, "properties"), m) ||
        !take_matched(ix, node, json_object_get(node->json, "patternProperties"), m))
        return false;
    m->rest = rest ? json_schema_index_node(ix, rest) : NULL;
    return true;
}

static bool check_unevaluated(const struct schema_run *run, const struct schema_rule *rule)
{
    size_t i = 0;
    const char *key;
    json_t *value;
    EACH_MEMBER(run->value, key, value)
    {
        if (!json_schema_run_marked(run, i) &&
            !json_schema_run_below(run, rule->node, value, key, 0))
            return false;
        json_schema_run_mark(run, i++);
    }
    return json_schema_run_spend(run, i / 8);
}

static bool make_unevaluated(struct schema_index *ix, const struct schema_node *node,
                             struct schema_rule *rule)
{
    rule->node = json_schema_index_node(ix, json_object_get(node->json, "unevaluatedProperties"));
    rule->check = check_unevaluated;
    return true;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* Each name, as a string, at the place of its member. */
static bool check_names(const struct schema_run *run, const struct schema_rule *rule)
{
    const char *key;
    json_t *value;
    EACH_MEMBER(run->value, key, value)
    {
        json_t *name = json_string_nocheck(key);
        if (!name)
            return json_schema_run_stop(run, JSON_SCHEMA_NO_MEMORY);
        bool ok = json_schema_run_below(run, rule->node, name, key, 0);
        json_decref(name);
        if (!ok)
            return false;
    }
    return true;
}

static bool make_names(struct schema_index *ix, const struct schema_node *node,
                       struct schema_rule *rule)
{
    rule->node = json_schema_index_node(ix, json_object_get(node->json, "propertyNames"));
    rule->check = check_names;
    return true;
}

static bool has_all(const struct schema_run *run, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        /* Jansson has no key with a NUL, so a name with one names nothing */
        bool whole = strlen(json_string_value(name)) == json_string_length(name);
        if (!whole || !json_object_get(run->value, json_string_value(name)))
            return json_schema_run_fail(run, "the member '%s' is missing", json_string_value(name));
    }
    return json_schema_run_spend(run, json_array_size(names));
}

static bool check_required(const struct schema_run *run, const struct schema_rule *rule)
{
    return has_all(run, rule->value);
}

static bool make_required(struct schema_index *ix, const struct schema_node *node,
                          struct schema_rule *rule)
{
    (void)ix;
    rule->value = json_object_get(node->json, "required");
    rule->check = check_required;
    return true;
}

/* --- what a member brings with it --------------------------------------------------------------------------------- */

struct need {
    const char *name;
    const json_t *members;          /* an array of names, or NULL and */
    const struct schema_node *node; /* a schema for the whole object */
};

struct needs {
    size_t n;
    struct need need[];
};

static bool check_needs(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct needs *all = rule->parts;
    for (size_t i = 0; i < all->n; i++) {
        const struct need *need = &all->need[i];
        if (json_object_get(run->value, need->name) &&
            !(need->node ? json_schema_run_here(run, need->node) : has_all(run, need->members)))
            return false;
    }
    return json_schema_run_spend(run, all->n);
}

static bool make_needs(struct schema_index *ix, const json_t *map, struct schema_rule *rule)
{
    const char *key;
    json_t *value;
    struct needs *all =
        json_schema_index_take(ix, 1, sizeof *all + json_object_size(map) * sizeof all->need[0]);
    if (!all)
        return false;
    EACH_MEMBER(map, key, value)
    {
        bool list = json_is_array(value);
        all->need[all->n++] = (struct need){key, list ? value : NULL,
                                            list ? NULL : json_schema_index_node(ix, value)};
    }
    rule->parts = all;
    rule->check = check_needs;
    return true;
}

static bool make_dependencies(struct schema_index *ix, const struct schema_node *node,
                              struct schema_rule *rule)
{
    return make_needs(ix, json_object_get(node->json, "dependencies"), rule);
}

static bool make_dependent_required(struct schema_index *ix, const struct schema_node *node,
                                    struct schema_rule *rule)
{
    return make_needs(ix, json_object_get(node->json, "dependentRequired"), rule);
}

static bool make_dependent_schemas(struct schema_index *ix, const struct schema_node *node,
                                   struct schema_rule *rule)
{
    return make_needs(ix, json_object_get(node->json, "dependentSchemas"), rule);
}

/* --- size --------------------------------------------------------------------------------------------------------- */

static bool check_max(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_object_size(run->value) <= rule->count ||
           json_schema_run_fail(run, "must have at most %zu members", rule->count);
}

static bool make_max(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    (void)ix;
    rule->check = check_max;
    return json_number_count(json_object_get(node->json, "maxProperties"), &rule->count);
}

static bool check_min(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_object_size(run->value) >= rule->count ||
           json_schema_run_fail(run, "must have at least %zu members", rule->count);
}

static bool make_min(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    (void)ix;
    rule->check = check_min;
    return json_number_count(json_object_get(node->json, "minProperties"), &rule->count);
}

const struct schema_keyword json_schema_objects_keywords[] = {
    {{"maxProperties"}, DRAFT_ANY, KIND_OBJECT, make_max},
    {{"minProperties"}, DRAFT_ANY, KIND_OBJECT, make_min},
    {{"required"}, DRAFT_ANY, KIND_OBJECT, make_required},
    {{"dependentRequired"}, DRAFT_2020_12, KIND_OBJECT, make_dependent_required},
    {{"properties", "patternProperties", "additionalProperties"},
     DRAFT_ANY,
     KIND_OBJECT,
     make_members},
    {{"propertyNames"}, DRAFT_ANY, KIND_OBJECT, make_names},
    {{"dependentSchemas"}, DRAFT_2020_12, KIND_OBJECT, make_dependent_schemas},
    {{"dependencies"}, DRAFT_07, KIND_OBJECT, make_dependencies},
    {{NULL}, 0, 0, NULL},
};

const struct schema_keyword json_schema_objects_unevaluated[] = {
    {{"unevaluatedProperties"}, DRAFT_2020_12, KIND_OBJECT, make_unevaluated},
    {{NULL}, 0, 0, NULL},
};
