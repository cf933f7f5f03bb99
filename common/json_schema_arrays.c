/*
 * The keywords about arrays.
 *
 * Owns the hashes of one uniqueItems while it runs. Must never compare each element with each: a payload has a hundred
 * thousand of them. Marks every element that a schema was applied to, for unevaluatedItems.
 */
#include "common/json_schema_parts.h"

#include <stdlib.h>

#include "common/json_number.h"

/* --- the elements ------------------------------------------------------------------------------------------------- */

struct elements {
    size_t n; /* schemas by position */
    const struct schema_node *const *by_position;
    const struct schema_node
        *rest; /* for those behind; NULL: anything, and nobody has looked at it */
};

static bool check_elements(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct elements *e = rule->parts;
    for (size_t i = 0; i < json_array_size(run->value); i++) {
        const struct schema_node *node = i < e->n ? e->by_position[i] : e->rest;
        if (!node)
            break;
        if (!json_schema_run_below(run, node, json_array_get(run->value, i), NULL, i))
            return false;
        json_schema_run_mark(run, i);
    }
    return true;
}

/* Schemas by position from `list`, `rest` for what follows; both may be NULL. */
static bool take_elements(struct schema_index *ix, const json_t *list, const json_t *rest,
                          struct schema_rule *rule)
{
    struct elements *e = json_schema_index_take(ix, 1, sizeof *e);
    const struct schema_node **nodes =
        json_schema_index_take(ix, json_array_size(list), sizeof(void *));
    if (!e || !nodes)
        return false;
    e->n = json_array_size(list);
    for (size_t i = 0; i < e->n; i++)
        nodes[i] = json_schema_index_node(ix, json_array_get(list, i));
    e->by_position = nodes;
    e->rest = rest ? json_schema_index_node(ix, rest) : NULL;
    rule->parts = e;
    rule->check = check_elements;
    return true;
}

static bool make_elements(struct schema_index *ix, const struct schema_node *node,
                          struct schema_rule *rule)
{
    return take_elements(ix, json_object_get(node->json, "prefixItems"),
                         json_object_get(node->json, "items"), rule);
}

/* In draft-07 "items" is either, and "additionalItems" counts only behind a list. */
static bool make_old_elements(struct schema_index *ix, const struct schema_node *node,
                              struct schema_rule *rule)
{
    const json_t *items = json_object_get(node->json, "items");
    if (!json_is_array(items))
        return take_elements(ix, NULL, items, rule);
    return take_elements(ix, items, json_object_get(node->json, "additionalItems"), rule);
}

static bool check_unevaluated(const struct schema_run *run, const struct schema_rule *rule)
{
    for (size_t i = 0; i < json_array_size(run->value); i++) {
        if (json_schema_run_marked(run, i))
            continue;
        if (!json_schema_run_below(run, rule->node, json_array_get(run->value, i), NULL, i))
            return false;
        json_schema_run_mark(run, i);
    }
    return json_schema_run_spend(run, json_array_size(run->value) / 8);
}

static bool make_unevaluated(struct schema_index *ix, const struct schema_node *node,
                             struct schema_rule *rule)
{
    rule->node = json_schema_index_node(ix, json_object_get(node->json, "unevaluatedItems"));
    rule->check = check_unevaluated;
    return true;
}

/* --- contains ----------------------------------------------------------------------------------------------------- */

struct contains {
    const struct schema_node *node;
    size_t min, max;
};

/* All of them are tried when somebody asks what was looked at, or the number has an upper bound. */
static bool check_contains(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct contains *c = rule->parts;
    size_t found = 0;
    run->budget->quiet++;
    for (size_t i = 0; i < json_array_size(run->value); i++) {
        if (found >= c->min && c->max == SIZE_MAX && !run->marks)
            break;
        if (json_schema_run_below(run, c->node, json_array_get(run->value, i), NULL, i)) {
            json_schema_run_mark(run, i);
            found++;
        }
    }
    run->budget->quiet--;
    if (found < c->min)
        return json_schema_run_fail(run, "must contain at least %zu elements that satisfy contains",
                                    c->min);
    return found <= c->max ||
           json_schema_run_fail(run, "must contain at most %zu elements that satisfy contains",
                                c->max);
}

static bool make_contains(struct schema_index *ix, const struct schema_node *node,
                          struct schema_rule *rule)
{
    struct contains *c = json_schema_index_take(ix, 1, sizeof *c);
    if (!c)
        return false;
    *c = (struct contains){json_schema_index_node(ix, json_object_get(node->json, "contains")), 1,
                           SIZE_MAX};
    rule->parts = c;
    rule->check = check_contains;
    return true;
}

static bool make_counted_contains(struct schema_index *ix, const struct schema_node *node,
                                  struct schema_rule *rule)
{
    if (!make_contains(ix, node, rule))
        return false;
    struct contains *c = (struct contains *)(uintptr_t)rule->parts;
    json_number_count(json_object_get(node->json, "minContains"), &c->min);
    json_number_count(json_object_get(node->json, "maxContains"), &c->max);
    return true;
}

/* --- size and sameness -------------------------------------------------------------------------------------------- */

static bool check_max(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_array_size(run->value) <= rule->count ||
           json_schema_run_fail(run, "must have at most %zu elements", rule->count);
}

static bool make_max(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    (void)ix;
    rule->check = check_max;
    return json_number_count(json_object_get(node->json, "maxItems"), &rule->count);
}

static bool check_min(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_array_size(run->value) >= rule->count ||
           json_schema_run_fail(run, "must have at least %zu elements", rule->count);
}

static bool make_min(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    (void)ix;
    rule->check = check_min;
    return json_number_count(json_object_get(node->json, "minItems"), &rule->count);
}

struct hashed {
    uint64_t hash;
    size_t index;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Elements with the same hash stand together; only they are compared, each pair for its steps. */
static bool all_differ(const struct schema_run *run, const struct hashed *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j > 0 && h[j - 1].hash == h[i].hash; j--) {
            const json_t *a = json_array_get(run->value, h[j - 1].index);
            const json_t *b = json_array_get(run->value, h[i].index);
            if (json_schema_equal(run, a, b))
                return json_schema_run_fail(run, "the elements %zu and %zu are equal",
                                            h[j - 1].index, h[i].index);
            if (run->budget->result != JSON_SCHEMA_OK)
                return false;
        }
    return true;
}

static bool check_unique(const struct schema_run *run, const struct schema_rule *rule)
{
    size_t n = json_array_size(run->value);
    (void)rule;
    struct hashed *h = malloc((n ? n : 1) * sizeof *h);
    if (!h)
        return json_schema_run_stop(run, JSON_SCHEMA_NO_MEMORY);
    for (size_t i = 0; i < n; i++)
        h[i] = (struct hashed){json_schema_equal_hash(run, json_array_get(run->value, i)), i};
    qsort(h, n, sizeof *h, by_hash);
    bool ok = run->budget->result == JSON_SCHEMA_OK && all_differ(run, h, n);
    free(h);
    return ok;
}

static bool make_unique(struct schema_index *ix, const struct schema_node *node,
                        struct schema_rule *rule)
{
    (void)ix;
    if (json_is_true(json_object_get(node->json, "uniqueItems")))
        rule->check = check_unique;
    return true;
}

const struct schema_keyword json_schema_arrays_keywords[] = {
    {{"maxItems"}, DRAFT_ANY, KIND_ARRAY, make_max},
    {{"minItems"}, DRAFT_ANY, KIND_ARRAY, make_min},
    {{"uniqueItems"}, DRAFT_ANY, KIND_ARRAY, make_unique},
    {{"items"}, DRAFT_07, KIND_ARRAY, make_old_elements},
    {{"prefixItems", "items"}, DRAFT_2020_12, KIND_ARRAY, make_elements},
    {{"contains"}, DRAFT_07, KIND_ARRAY, make_contains},
    {{"contains"}, DRAFT_2020_12, KIND_ARRAY, make_counted_contains},
    {{NULL}, 0, 0, NULL},
};

const struct schema_keyword json_schema_arrays_unevaluated[] = {
    {{"unevaluatedItems"}, DRAFT_2020_12, KIND_ARRAY, make_unevaluated},
    {{NULL}, 0, 0, NULL},
};
