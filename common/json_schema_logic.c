/*
 * The keywords that apply schemas to the same value: references, and the ways to join them.
 *
 * Owns nothing. Must never stop early while somebody asks what was evaluated: an anyOf whose first schema holds still
 * has to try the others for their marks. A failure inside a choice is not the text's, so those are tried quietly.
 */
#include "common/json_schema_parts.h"

/* --- references --------------------------------------------------------------------------------------------------- */

static bool check_node(const struct schema_run *run, const struct schema_rule *rule)
{
    return json_schema_run_here(run, rule->node);
}

static bool make_ref(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    rule->node = json_schema_index_resolve(ix, node, "$ref", NULL);
    rule->check = check_node;
    return rule->node != NULL;
}

struct dynamic {
    const struct schema_node *initial;
    const char *name;
};

/* The outermost resource of those gone through that has the anchor decides (2020-12 core section 8.2.3.2). */
static bool check_dynamic(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct dynamic *d = rule->parts;
    const struct schema_node *target = d->initial;
    for (const struct schema_scope *s = run->scope; s; s = s->up) {
        const struct schema_node *node =
            s->resource ? json_schema_index_dynamic(s->resource, d->name) : NULL;
        if (node)
            target = node;
        if (!json_schema_run_spend(run, 1))
            return false;
    }
    return json_schema_run_here(run, target);
}

static bool make_dynamic(struct schema_index *ix, const struct schema_node *node,
                         struct schema_rule *rule)
{
    const char *name = NULL;
    rule->check = check_node;
    rule->node = json_schema_index_resolve(ix, node, "$dynamicRef", &name);
    if (!rule->node || !name)
        return rule->node != NULL; /* without a $dynamicAnchor it is as $ref */
    struct dynamic *d = json_schema_index_take(ix, 1, sizeof *d);
    if (!d)
        return false;
    *d = (struct dynamic){rule->node, name};
    rule->parts = d;
    rule->check = check_dynamic;
    return true;
}

/* --- joins -------------------------------------------------------------------------------------------------------- */

struct nodes {
    size_t n;
    const struct schema_node *node[];
};

static bool make_nodes(struct schema_index *ix, const json_t *list, struct schema_rule *rule)
{
    struct nodes *all =
        json_schema_index_take(ix, 1, sizeof *all + json_array_size(list) * sizeof all->node[0]);
    if (!all)
        return false;
    all->n = json_array_size(list);
    for (size_t i = 0; i < all->n; i++)
        all->node[i] = json_schema_index_node(ix, json_array_get(list, i));
    rule->parts = all;
    return true;
}

static bool check_all(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct nodes *all = rule->parts;
    for (size_t i = 0; i < all->n; i++)
        if (!json_schema_run_here(run, all->node[i]))
            return false;
    return true;
}

static bool make_all(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    rule->check = check_all;
    return make_nodes(ix, json_object_get(node->json, "allOf"), rule);
}

/* With somebody asking what was looked at, all that hold count, so none is left out. */
static bool check_any(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct nodes *all = rule->parts;
    size_t held = 0;
    for (size_t i = 0; i < all->n && (!held || run->marks); i++)
        held += json_schema_run_try(run, all->node[i]);
    return held || json_schema_run_fail(run, "satisfies none of the %zu schemas of anyOf", all->n);
}

static bool make_any(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    rule->check = check_any;
    return make_nodes(ix, json_object_get(node->json, "anyOf"), rule);
}

static bool check_one(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct nodes *all = rule->parts;
    size_t held = 0;
    for (size_t i = 0; i < all->n && held < 2; i++)
        held += json_schema_run_try(run, all->node[i]);
    return held == 1 ||
           json_schema_run_fail(run, "satisfies %s of the %zu schemas of oneOf, and must one",
                                held ? "several" : "none", all->n);
}

static bool make_one(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    rule->check = check_one;
    return make_nodes(ix, json_object_get(node->json, "oneOf"), rule);
}

static bool check_not(const struct schema_run *run, const struct schema_rule *rule)
{
    struct schema_run alone = *run;
    alone.marks = NULL; /* what a schema that must fail has looked at counts for nobody */
    return !json_schema_run_try(&alone, rule->node) ||
           json_schema_run_fail(run, "satisfies the schema of not");
}

static bool make_not(struct schema_index *ix, const struct schema_node *node,
                     struct schema_rule *rule)
{
    rule->node = json_schema_index_node(ix, json_object_get(node->json, "not"));
    rule->check = check_not;
    return true;
}

/* --- if ----------------------------------------------------------------------------------------------------------- */

struct condition {
    const struct schema_node *when, *then, *otherwise; /* the last two may be NULL */
};

static bool check_condition(const struct schema_run *run, const struct schema_rule *rule)
{
    const struct condition *c = rule->parts;
    const struct schema_node *next = json_schema_run_try(run, c->when) ? c->then : c->otherwise;
    return !next || json_schema_run_here(run, next);
}

static const struct schema_node *node_at(struct schema_index *ix, const struct schema_node *node,
                                         const char *keyword)
{
    const json_t *json = json_object_get(node->json, keyword);
    return json ? json_schema_index_node(ix, json) : NULL;
}

static bool make_condition(struct schema_index *ix, const struct schema_node *node,
                           struct schema_rule *rule)
{
    struct condition *c = json_schema_index_take(ix, 1, sizeof *c);
    if (!c)
        return false;
    *c = (struct condition){node_at(ix, node, "if"), node_at(ix, node, "then"),
                            node_at(ix, node, "else")};
    rule->parts = c;
    rule->check = check_condition;
    return true;
}

const struct schema_keyword json_schema_logic_keywords[] = {
    {{"$ref"}, DRAFT_ANY, KIND_ANY, make_ref},
    {{"$dynamicRef"}, DRAFT_2020_12, KIND_ANY, make_dynamic},
    {{"allOf"}, DRAFT_ANY, KIND_ANY, make_all},
    {{"anyOf"}, DRAFT_ANY, KIND_ANY, make_any},
    {{"oneOf"}, DRAFT_ANY, KIND_ANY, make_one},
    {{"not"}, DRAFT_ANY, KIND_ANY, make_not},
    {{"if"}, DRAFT_ANY, KIND_ANY, make_condition},
    {{NULL}, 0, 0, NULL},
};
