/*
 * What the files of json_schema share; nobody else includes this.
 *
 * A schema is compiled once. json_schema_shape knows what the value of each keyword must look like and where schemas
 * lie in schemas; json_schema_index finds them all and what they are called; json_schema_{logic,scalars,arrays,objects}
 * turn keywords into rules; json_schema_run runs the rules of a node against a value.
 *
 * Everything compiled lies in the schema's arena, except patterns, and refers to the schema's JSON, which stays.
 */
#ifndef DLO_COMMON_JSON_SCHEMA_PARTS_H
#define DLO_COMMON_JSON_SCHEMA_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/json_pattern.h"
#include "common/json_pointer.h"
#include "common/json_schema.h"
#include "common/limits.h"

enum schema_draft { DRAFT_07 = 1, DRAFT_2020_12 = 2, DRAFT_ANY = 3 };

/* Kinds of values a rule has something to say about, as bits. */
enum schema_kinds {
    KIND_NUMBER = 1 << 0,
    KIND_STRING = 1 << 1,
    KIND_ARRAY = 1 << 2,
    KIND_OBJECT = 1 << 3,
    KIND_OTHER = 1 << 4,
    KIND_ANY = (1 << 5) - 1
};

/* --- compiled ----------------------------------------------------------------------------------------------------- */

struct schema_node;
struct schema_rule;
struct schema_run;

/* Whether the value satisfies the rule. When the budget is spent the answer does not matter. */
typedef bool schema_rule_check(const struct schema_run *run, const struct schema_rule *rule);

struct schema_rule {
    schema_rule_check *check;
    unsigned kinds;
    union {
        const json_t *value;
        const void *parts; /* of the file that made the rule */
        const struct schema_node *node;
        struct json_pattern *pattern;
        size_t count;
        unsigned types;
    };
};

struct schema_anchor {
    struct schema_anchor *next;
    const char *name;
    const struct schema_node *node;
    bool dynamic;
};

/* A part of the document with a URI of its own (2020-12 core section 4.3.5). */
struct schema_resource {
    struct schema_resource *next;
    const char *uri; /* absolute or "", no fragment */
    const json_t *json;
    struct schema_anchor *anchors;
};

struct schema_node {
    struct schema_node *next;
    const json_t *json; /* the object; NULL for true and false */
    const struct json_place *at;
    struct schema_resource *resource;
    const struct schema_rule *rules;
    size_t nrules;
    bool never;    /* false */
    bool marks;    /* has unevaluatedProperties or unevaluatedItems */
    bool ref_only; /* draft-07: nothing beside $ref counts */
};

struct schema_pattern {
    struct schema_pattern *next;
    struct json_pattern *pattern;
};

struct json_schema {
    struct arena arena;
    json_t *json;
    enum schema_draft draft;
    struct schema_node constants[2]; /* the schemas false and true */
    const struct schema_node *root;
    struct schema_pattern *patterns;
    size_t pattern_count, pattern_bytes, text_bytes;
};

/* --- shapes ------------------------------------------------------------------------------------------------------- */

/* A walk through a schema's direct subschemas. Both return false to stop it. */
struct schema_walk {
    enum schema_draft draft;
    bool (*each)(struct schema_walk *walk, const json_t *sub, const struct json_place *at);
    bool (*bad)(struct schema_walk *walk, const struct json_place *at, const char *what);
};

/* Checks the form of the object's keywords and calls `each` for the schemas directly in it. */
bool json_schema_shape_walk(struct schema_walk *walk, const json_t *object,
                            const struct json_place *at);
/* The draft that "$schema" names; 0: none that is known. */
enum schema_draft json_schema_shape_draft(const char *uri);
/* Whether the run's value is a schema of the draft: what a reference to a metaschema asks. */
bool json_schema_shape_check(const struct schema_run *run, const struct schema_rule *rule);

/* --- the index, while compiling ----------------------------------------------------------------------------------- */

struct schema_index;

/* The node of a subschema of `of`, which json_schema_index has found before. */
const struct schema_node *json_schema_index_node(struct schema_index *ix, const json_t *json);
/* Where a reference in `from` leads. *dynamic: the name, if that is a $dynamicAnchor. NULL: told. */
const struct schema_node *json_schema_index_resolve(struct schema_index *ix,
                                                    const struct schema_node *from,
                                                    const char *keyword, const char **dynamic);
const struct schema_node *json_schema_index_dynamic(const struct schema_resource *resource,
                                                    const char *name);
/* A pattern, which the schema owns. NULL: told. */
struct json_pattern *json_schema_index_pattern(struct schema_index *ix,
                                               const struct schema_node *from, const char *keyword,
                                               const char *text, size_t n);
/* Memory of the schema; NULL, and the compilation fails. */
void *json_schema_index_take(struct schema_index *ix, size_t n, size_t size);
/* Finds and compiles everything. false: `why` says. */
bool json_schema_index_compile(struct json_schema *s, struct json_schema_problem *why);

/* --- keywords ----------------------------------------------------------------------------------------------------- */

/* Makes the rule of one or more keywords that belong together; at least one of them is there. */
struct schema_keyword {
    const char *names[3];
    enum schema_draft drafts;
    unsigned kinds;
    bool (*make)(struct schema_index *ix, const struct schema_node *node, struct schema_rule *rule);
};
#define SCHEMA_RULES_MAX 48 /* of one node: no more than there are keywords */

/* Each ends with an entry without names. */
extern const struct schema_keyword json_schema_scalars_keywords[];
extern const struct schema_keyword json_schema_arrays_keywords[];
extern const struct schema_keyword json_schema_objects_keywords[];
extern const struct schema_keyword json_schema_logic_keywords[];
/* Those that need to know what all others have looked at. */
extern const struct schema_keyword json_schema_arrays_unevaluated[];
extern const struct schema_keyword json_schema_objects_unevaluated[];

/* --- running ------------------------------------------------------------------------------------------------------ */

/* Which members or elements of a value some schema has looked at (2020-12 core section 11). */
struct schema_marks {
    uint64_t *bits, few;
    size_t n;
};

struct schema_scope {
    const struct schema_scope *up;
    const struct schema_resource *resource;
};

/* One check of a whole text. */
struct schema_budget {
    int64_t steps;
    unsigned depth;
    unsigned quiet; /* > 0: a failure here is not the text's */
    bool told;
    enum json_schema_result result; /* other than OK: the check has stopped */
    struct json_schema_problem *why;
    struct json_pattern_bench bench;
};

/* One schema against one value. */
struct schema_run {
    struct schema_budget *budget;
    const struct schema_scope *scope;
    const json_t *value;
    const struct json_place *at;
    struct schema_marks *marks; /* NULL: nobody asks */
};

/* The schema against the same value. */
bool json_schema_run_here(const struct schema_run *run, const struct schema_node *node);
/* The same, if it may well fail. */
bool json_schema_run_try(const struct schema_run *run, const struct schema_node *node);
/* Against a member or element; `key` NULL: the element `index`. */
bool json_schema_run_below(const struct schema_run *run, const struct schema_node *node,
                           const json_t *value, const char *key, size_t index);
/* A run of its own: the whole value, from outside. */
bool json_schema_run_whole(struct schema_budget *budget, const struct schema_node *node,
                           const json_t *value);
/* Takes steps; false: they are spent. */
bool json_schema_run_spend(const struct schema_run *run, size_t steps);
/* Ends the check. */
bool json_schema_run_stop(const struct schema_run *run, enum json_schema_result result);
/* false, and says why, unless a failure here is not the text's. */
bool json_schema_run_fail(const struct schema_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether the pattern is in the text. */
bool json_schema_run_matches(const struct schema_run *run, const struct json_pattern *pattern,
                             const char *text, size_t n);

void json_schema_run_mark(const struct schema_run *run, size_t i);
bool json_schema_run_marked(const struct schema_run *run, size_t i);

/* Equal as JSON Schema means it: by value, 1.0 is 1, members in any order. Costs steps. */
bool json_schema_equal(const struct schema_run *run, const json_t *a, const json_t *b);
/* Equal values have equal hashes. Costs steps. */
uint64_t json_schema_equal_hash(const struct schema_run *run, const json_t *value);

#endif
