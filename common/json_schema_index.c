/*
 * Every schema of a document, what it is called, and where its references lead: the compilation.
 *
 * Owns the index while it is made; what it finds goes into the schema's arena. A schema that only a pointer leads to (in
 * a place that no keyword makes one) is found when the reference is resolved. Must never go outside the document, and
 * never take more nodes, patterns or bytes than limits.h gives: schemas come from clients.
 */
#include "common/json_schema_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/uri_reference.h"

#define PATTERN_BYTES_MAX 1024
#define SLOTS (2 * LIMIT_SCHEMA_NODES) /* half of them stay empty */
#define META_DRAFTS 2

struct schema_index {
    struct schema_walk walk; /* first: the walk's callbacks get back here */
    struct json_schema *schema;
    struct json_schema_problem *why;
    struct schema_node **slots; /* by the address of their JSON */
    struct schema_node *first, **end;
    size_t nodes;
    struct schema_resource *resources, *resource; /* all; the one that the walk is in */
    const struct schema_node *meta[META_DRAFTS];
};

static bool tell(struct schema_index *ix, const struct json_place *at, const char *what)
{
    json_pointer_write(at, ix->why->pointer, sizeof ix->why->pointer);
    snprintf(ix->why->detail, sizeof ix->why->detail, "%s", what);
    json_pointer_mend(ix->why->detail);
    return false;
}

void *json_schema_index_take(struct schema_index *ix, size_t n, size_t size)
{
    void *p = arena_array(&ix->schema->arena, n, size);
    if (!p)
        tell(ix, NULL, "the schema takes too much memory");
    return p;
}

static char *keep_text(struct schema_index *ix, const char *text)
{
    char *copy = arena_text(&ix->schema->arena, text, strlen(text));
    if (!copy)
        tell(ix, NULL, "the schema takes too much memory");
    return copy;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static struct schema_node **slot_of(struct schema_index *ix, const json_t *json)
{
    size_t i = (size_t)((uintptr_t)json / sizeof(void *) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    while (ix->slots[i % SLOTS] && ix->slots[i % SLOTS]->json != json)
        i++;
    return &ix->slots[i % SLOTS];
}

const struct schema_node *json_schema_index_node(struct schema_index *ix, const json_t *json)
{
    if (json_is_boolean(json))
        return &ix->schema->constants[json_is_true(json)];
    return *slot_of(ix, json);
}

/* Places of a walk lie on its stack; those of nodes stay. */
static const struct json_place *keep_place(struct schema_index *ix, const struct json_place *at)
{
    struct json_place *copy = json_schema_index_take(ix, 1, sizeof *copy);
    if (copy)
        *copy = *at;
    return copy;
}

static struct schema_node *add_node(struct schema_index *ix, const json_t *json,
                                    const struct json_place *at)
{
    if (ix->nodes == LIMIT_SCHEMA_NODES) {
        tell(ix, at, "too many schemas in one");
        return NULL;
    }
    struct schema_node *node = json_schema_index_take(ix, 1, sizeof *node);
    if (!node)
        return NULL;
    node->json = json;
    node->at = at;
    node->ref_only = ix->walk.draft == DRAFT_07 && json_object_get(json, "$ref");
    *slot_of(ix, json) = node;
    *ix->end = node;
    ix->end = &node->next;
    ix->nodes++;
    return node;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static struct schema_resource *find_resource(struct schema_index *ix, const char *uri)
{
    struct schema_resource *r = ix->resources;
    while (r && strcmp(r->uri, uri) != 0)
        r = r->next;
    return r;
}

static bool add_resource(struct schema_index *ix, const char *uri, const struct schema_node *node)
{
    if (find_resource(ix, uri))
        return tell(ix, node->at, "two schemas have the same $id");
    struct schema_resource *r = json_schema_index_take(ix, 1, sizeof *r);
    if (!r || !(r->uri = keep_text(ix, uri)))
        return false;
    r->json = node->json;
    r->next = ix->resources;
    ix->resources = ix->resource = r;
    return true;
}

static const struct schema_anchor *find_anchor(const struct schema_resource *r, const char *name)
{
    const struct schema_anchor *a = r->anchors;
    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    return a;
}

static bool add_anchor(struct schema_index *ix, const char *name, const struct schema_node *node,
                       bool dynamic)
{
    if (find_anchor(ix->resource, name))
        return tell(ix, node->at, "two schemas have the same anchor");
    struct schema_anchor *a = json_schema_index_take(ix, 1, sizeof *a);
    if (!a)
        return false;
    *a = (struct schema_anchor){ix->resource->anchors, name, node, dynamic};
    ix->resource->anchors = a;
    return true;
}

const struct schema_node *json_schema_index_dynamic(const struct schema_resource *resource,
                                                    const char *name)
{
    const struct schema_anchor *a = find_anchor(resource, name);
    return a && a->dynamic ? a->node : NULL;
}

/* "$id" opens a resource; in draft-07 one that is only a fragment is an anchor, as "$anchor" later. */
static bool take_id(struct schema_index *ix, const struct schema_node *node, const char *id)
{
    char uri[URI_REFERENCE_MAX];
    if (uri_reference_resolve(ix->resource ? ix->resource->uri : "", id, uri, sizeof uri) < 0)
        return tell(ix, node->at, "the $id is too long");
    char *fragment = strchr(uri, '#');
    if (fragment)
        *fragment++ = '\0';
    if ((!ix->resource || strcmp(ix->resource->uri, uri) != 0) && !add_resource(ix, uri, node))
        return false;
    if (!fragment || !*fragment)
        return true;
    const char *name = keep_text(ix, fragment);
    return name && add_anchor(ix, name, node, false);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool take_names(struct schema_index *ix, const struct schema_node *node)
{
    const char *id = text_of(node->json, "$id"), *anchor = text_of(node->json, "$anchor");
    const char *dynamic = text_of(node->json, "$dynamicAnchor");
    if (node->ref_only || (!id && ix->resource))
        id = NULL;
    if ((id || !ix->resource) && !take_id(ix, node, id ? id : ""))
        return false;
    if (ix->walk.draft == DRAFT_07)
        return true;
    if (anchor && dynamic && strcmp(anchor, dynamic) == 0)
        anchor = NULL;
    return (!anchor || add_anchor(ix, anchor, node, false)) &&
           (!dynamic || add_anchor(ix, dynamic, node, true));
}

static bool one_dialect(struct schema_index *ix, const struct schema_node *node)
{
    const char *uri = text_of(node->json, "$schema");
    return !uri || json_schema_shape_draft(uri) == ix->walk.draft ||
           tell(ix, node->at, "a schema inside another must have the same $schema");
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static bool enter(struct schema_index *ix, const json_t *json, const struct json_place *at)
{
    struct schema_resource *outer = ix->resource;
    struct schema_node *node = add_node(ix, json, at);
    bool ok = node && one_dialect(ix, node) && take_names(ix, node);
    if (ok) {
        node->resource = ix->resource;
        ok = json_schema_shape_walk(&ix->walk, json, at);
    }
    ix->resource = outer;
    return ok;
}

static bool each(struct schema_walk *walk, const json_t *sub, const struct json_place *at)
{
    struct schema_index *ix = (struct schema_index *)walk;
    if (json_is_boolean(sub))
        return true;
    if (!json_is_object(sub))
        return tell(ix, at, "a schema must be an object, true or false");
    if (*slot_of(ix, sub))
        return true; /* known before, by a reference into the middle of this one */
    /* the place of the member, and that of the keyword above it, which is the node's own when there is no map */
    const struct json_place *up = at->up;
    struct json_place copy = *at;
    if (up && up->up)
        copy.up = keep_place(ix, up);
    const struct json_place *kept = !up || copy.up ? keep_place(ix, &copy) : NULL;
    return kept && enter(ix, sub, kept);
}

static bool bad(struct schema_walk *walk, const struct json_place *at, const char *what)
{
    return tell((struct schema_index *)walk, at, what);
}

/* --- references --------------------------------------------------------------------------------------------------- */

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *p = c ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 32 : 0)) : NULL;
    return p ? (int)(p - digits) : -1;
}

/* In place (RFC 3986 section 2.1). false: a percent sign without two digits, or a NUL. */
static bool decode_percent(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        int c = (unsigned char)*p;
        if (c == '%') {
            int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);
            c = high * 16 + low;
            if (low < 0 || c == 0)
                return false;
            p += 2;
        }
        *to++ = (char)c;
    }
    *to = '\0';
    return true;
}

/* The schema at a pointer; one that no keyword had made a schema is entered now. NULL: there is none. */
static const struct schema_node *follow(struct schema_index *ix, struct schema_resource *resource,
                                        const char *pointer)
{
    const json_t *json = resource->json;
    const struct schema_node *node = json_schema_index_node(ix, json);
    const struct json_place *at = node->at;
    struct schema_resource *within = resource;
    while (*pointer) {
        struct json_place step = {at, NULL, 0};
        json = json_pointer_step(json, &pointer, &step);
        at = json ? keep_place(ix, &step) : NULL;
        if (!at)
            return NULL;
        node =
            json_is_object(json) || json_is_boolean(json) ? json_schema_index_node(ix, json) : NULL;
        if (node && node->resource)
            within = node->resource;
    }
    if (node || !json_is_object(json))
        return node;
    ix->resource = within;
    return enter(ix, json, at) ? json_schema_index_node(ix, json) : NULL;
}

/* A node that asks whether a value is a schema of the draft. */
static const struct schema_node *metaschema(struct schema_index *ix, enum schema_draft draft)
{
    const struct schema_node **known = &ix->meta[draft == DRAFT_2020_12];
    struct schema_node *node = *known ? NULL : json_schema_index_take(ix, 1, sizeof *node);
    struct schema_rule *rule = node ? json_schema_index_take(ix, 1, sizeof *rule) : NULL;
    if (!rule)
        return *known;
    *rule = (struct schema_rule){json_schema_shape_check, KIND_ANY, {.count = draft}};
    node->rules = rule;
    node->nrules = 1;
    node->resource = ix->resources;
    return *known = node;
}

static const struct schema_node *resolve_in(struct schema_index *ix, const struct json_place *at,
                                            struct schema_resource *resource, char *fragment)
{
    const struct schema_anchor *anchor;
    const struct schema_node *node = NULL;
    ix->why->detail[0] = '\0';
    if (!decode_percent(fragment))
        tell(ix, at, "a percent sign in the reference needs two hexadecimal digits");
    else if (*fragment == '\0' || *fragment == '/')
        node = follow(ix, resource, fragment);
    else if ((anchor = find_anchor(resource, fragment)))
        node = anchor->node;
    if (!node && !ix->why->detail[0])
        tell(ix, at, "the reference leads to no schema");
    return node;
}

const struct schema_node *json_schema_index_resolve(struct schema_index *ix,
                                                    const struct schema_node *from,
                                                    const char *keyword, const char **dynamic)
{
    char uri[URI_REFERENCE_MAX];
    const char *text = text_of(from->json, keyword);
    struct json_place at = {from->at, keyword, 0};
    if (uri_reference_resolve(from->resource->uri, text, uri, sizeof uri) < 0) {
        tell(ix, &at, "the reference is too long");
        return NULL;
    }
    enum schema_draft meta = json_schema_shape_draft(uri);
    char *fragment = strchr(uri, '#');
    if (fragment)
        *fragment++ = '\0';
    struct schema_resource *resource = find_resource(ix, uri);
    if (!resource && meta)
        return metaschema(ix, meta);
    if (!resource) {
        char what[sizeof ix->why->detail];
        snprintf(what, sizeof what, "leads out of this document, and nothing is fetched: %.190s",
                 uri);
        tell(ix, &at, what);
        return NULL;
    }
    char nothing[1] = "";
    const struct schema_node *node = resolve_in(ix, &at, resource, fragment ? fragment : nothing);
    const struct schema_anchor *anchor = node && fragment ? find_anchor(resource, fragment) : NULL;
    if (dynamic)
        *dynamic = anchor && anchor->dynamic ? anchor->name : NULL;
    return node;
}

struct json_pattern *json_schema_index_pattern(struct schema_index *ix,
                                               const struct schema_node *from, const char *keyword,
                                               const char *text, size_t n)
{
    char why[192];
    struct json_schema *s = ix->schema;
    struct json_place at = {from->at, keyword, 0};
    struct schema_pattern *owned = json_schema_index_take(ix, 1, sizeof *owned);
    if (!owned)
        return NULL;
    if (n > PATTERN_BYTES_MAX || s->pattern_count == LIMIT_SCHEMA_PATTERNS) {
        tell(ix, &at,
             n > PATTERN_BYTES_MAX ? "a pattern takes at most 1,024 bytes" : "too many patterns");
        return NULL;
    }
    if (json_pattern_new(text, n, &owned->pattern, why, sizeof why) < 0) {
        tell(ix, &at, why);
        return NULL;
    }
    owned->next = s->patterns;
    s->patterns = owned;
    s->pattern_count++;
    s->pattern_bytes += json_pattern_bytes(owned->pattern);
    if (s->pattern_bytes <= LIMIT_SCHEMA_PATTERN_BYTES)
        return owned->pattern;
    tell(ix, &at, "the patterns are too large when compiled: repeat less");
    return NULL;
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static bool is_there(const struct schema_index *ix, const struct schema_node *node,
                     const struct schema_keyword *k)
{
    if (!(k->drafts & ix->walk.draft) || (node->ref_only && strcmp(k->names[0], "$ref") != 0))
        return false;
    for (size_t i = 0; i < 3 && k->names[i]; i++)
        if (json_object_get(node->json, k->names[i]))
            return true;
    return false;
}

/* A maker that has nothing to check (an uniqueItems of false) leaves its rule empty. */
static bool make_rules(struct schema_index *ix, struct schema_node *node)
{
    static const struct schema_keyword *const tables[] = {
        json_schema_scalars_keywords,   json_schema_objects_keywords,
        json_schema_arrays_keywords,    json_schema_logic_keywords,
        json_schema_arrays_unevaluated, json_schema_objects_unevaluated};
    struct schema_rule rules[SCHEMA_RULES_MAX];
    size_t n = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct schema_keyword *k = tables[t]; k->names[0]; k++) {
            if (!is_there(ix, node, k))
                continue;
            rules[n] = (struct schema_rule){.kinds = k->kinds};
            if (!k->make(ix, node, &rules[n]))
                return false;
            n += rules[n].check != NULL;
        }
    struct schema_rule *kept = json_schema_index_take(ix, n, sizeof *kept);
    if (!kept)
        return false;
    memcpy(kept, rules, n * sizeof *kept);
    node->rules = kept;
    node->nrules = n;
    node->marks =
        ix->walk.draft == DRAFT_2020_12 && (json_object_get(node->json, "unevaluatedItems") ||
                                            json_object_get(node->json, "unevaluatedProperties"));
    return true;
}

static bool compile(struct schema_index *ix, const json_t *json)
{
    static const struct json_place root;
    struct json_schema *s = ix->schema;
    if (json_is_boolean(json)) {
        s->root = json_schema_index_node(ix, json);
        return true;
    }
    if (!json_is_object(json))
        return tell(ix, &root, "a schema must be an object, true or false");
    if (!enter(ix, json, &root))
        return false;
    s->root = ix->first;
    for (struct schema_node *node = ix->first; node; node = node->next)
        if (!make_rules(ix, node))
            return false;
    return true;
}

bool json_schema_index_compile(struct json_schema *s, struct json_schema_problem *why)
{
    struct schema_index ix = {.walk = {s->draft, each, bad}, .schema = s, .why = why};
    ix.end = &ix.first;
    ix.slots = calloc(SLOTS, sizeof *ix.slots);
    bool ok = ix.slots ? compile(&ix, s->json) : tell(&ix, NULL, "out of memory");
    free(ix.slots);
    return ok;
}
