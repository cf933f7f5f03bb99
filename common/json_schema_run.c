/*
 * A compiled schema against a value: the walk, its budget, and what it reports.
 *
 * Owns the marks of what was evaluated, for as long as a node runs. Must never run a node without taking a step and
 * without counting its depth: schemas refer to themselves. When the budget is spent every run fails at once, so that
 * nobody between here and the start of the check has to ask why; the start does (budget->result).
 */
#include "common/json_schema_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BITS 64

/* --- the budget --------------------------------------------------------------------------------------------------- */

bool json_schema_run_stop(const struct schema_run *run, enum json_schema_result result)
{
    struct schema_budget *b = run->budget;
    if (b->result == JSON_SCHEMA_OK) {
        b->result = result;
        json_pointer_write(run->at, b->why->pointer, sizeof b->why->pointer);
        snprintf(b->why->detail, sizeof b->why->detail, "%s",
                 result == JSON_SCHEMA_NO_MEMORY
                     ? "out of memory"
                     : "checking this takes more steps than are given to it");
    }
    return false;
}

bool json_schema_run_spend(const struct schema_run *run, size_t steps)
{
    struct schema_budget *b = run->budget;
    b->steps -= (int64_t)steps;
    return b->steps >= 0 && b->result == JSON_SCHEMA_OK
               ? true
               : json_schema_run_stop(run, JSON_SCHEMA_TOO_COSTLY);
}

bool json_schema_run_fail(const struct schema_run *run, const char *format, ...)
{
    struct schema_budget *b = run->budget;
    va_list args;
    if (b->quiet || b->told || b->result != JSON_SCHEMA_OK)
        return false;
    b->told = true;
    json_pointer_write(run->at, b->why->pointer, sizeof b->why->pointer);
    va_start(args, format);
    vsnprintf(b->why->detail, sizeof b->why->detail, format, args);
    va_end(args);
    json_pointer_mend(b->why->detail);
    return false;
}

bool json_schema_run_matches(const struct schema_run *run, const struct json_pattern *pattern,
                             const char *text, size_t n)
{
    struct schema_budget *b = run->budget;
    if (!json_schema_run_spend(run, 1))
        return false;
    b->bench.steps = &b->steps;
    switch (json_pattern_search(pattern, &b->bench, text, n)) {
    case JSON_PATTERN_FOUND:
        return true;
    case JSON_PATTERN_ABSENT:
        return false;
    case JSON_PATTERN_TOO_COSTLY:
        return json_schema_run_stop(run, JSON_SCHEMA_TOO_COSTLY);
    default:
        return json_schema_run_stop(run, JSON_SCHEMA_NO_MEMORY);
    }
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static size_t size_of(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

static bool marks_init(const struct schema_run *run, struct schema_marks *m)
{
    *m = (struct schema_marks){.n = size_of(run->value)};
    m->bits = &m->few;
    if (m->n <= BITS)
        return true;
    m->bits = calloc((m->n + BITS - 1) / BITS, sizeof *m->bits);
    if (!m->bits)
        return json_schema_run_stop(run, JSON_SCHEMA_NO_MEMORY);
    return json_schema_run_spend(run, m->n / BITS);
}

static void marks_release(struct schema_marks *m)
{
    if (m->bits != &m->few)
        free(m->bits);
}

static void marks_merge(struct schema_marks *to, const struct schema_marks *from)
{
    for (size_t i = 0; i * BITS < from->n; i++)
        to->bits[i] |= from->bits[i];
}

void json_schema_run_mark(const struct schema_run *run, size_t i)
{
    if (run->marks && i < run->marks->n)
        run->marks->bits[i / BITS] |= UINT64_C(1) << i % BITS;
}

bool json_schema_run_marked(const struct schema_run *run, size_t i)
{
    return (run->marks->bits[i / BITS] >> i % BITS & 1) != 0;
}

/* --- one schema against one value --------------------------------------------------------------------------------- */

static unsigned kind_of(const json_t *value)
{
    static const unsigned kinds[] = {
        [JSON_OBJECT] = KIND_OBJECT,  [JSON_ARRAY] = KIND_ARRAY, [JSON_STRING] = KIND_STRING,
        [JSON_INTEGER] = KIND_NUMBER, [JSON_REAL] = KIND_NUMBER, [JSON_TRUE] = KIND_OTHER,
        [JSON_FALSE] = KIND_OTHER,    [JSON_NULL] = KIND_OTHER};
    return kinds[json_typeof(value)];
}

static bool run_rules(const struct schema_run *run, const struct schema_node *node)
{
    unsigned kind = kind_of(run->value);
    for (size_t i = 0; i < node->nrules; i++) {
        const struct schema_rule *rule = &node->rules[i];
        if (rule->kinds & kind && (!json_schema_run_spend(run, 1) || !rule->check(run, rule)))
            return false;
    }
    return true;
}

/* With marks of its own, which count for whoever asks only if all rules hold. */
static bool run_marking(const struct schema_run *run, const struct schema_node *node)
{
    struct schema_marks own;
    struct schema_run inner = *run;
    inner.marks = &own;
    bool ok = marks_init(run, &own) && run_rules(&inner, node);
    if (ok && run->marks)
        marks_merge(run->marks, &own);
    marks_release(&own);
    return ok;
}

static bool run_node(const struct schema_run *run, const struct schema_node *node)
{
    struct schema_scope scope = {run->scope, node->resource};
    struct schema_run inner = *run;
    if (node->nrules == 0)
        return !node->never || json_schema_run_fail(run, "no value is allowed here");
    if (!run->scope || run->scope->resource != node->resource)
        inner.scope = &scope;
    bool container = json_is_array(run->value) || json_is_object(run->value);
    if (container && (run->marks || node->marks))
        return run_marking(&inner, node);
    return run_rules(&inner, node);
}

bool json_schema_run_here(const struct schema_run *run, const struct schema_node *node)
{
    struct schema_budget *b = run->budget;
    if (!json_schema_run_spend(run, 1))
        return false;
    if (b->depth == LIMIT_SCHEMA_DEPTH)
        return json_schema_run_stop(run, JSON_SCHEMA_TOO_COSTLY);
    b->depth++;
    bool ok = run_node(run, node);
    b->depth--;
    return ok;
}

bool json_schema_run_try(const struct schema_run *run, const struct schema_node *node)
{
    run->budget->quiet++;
    bool ok = json_schema_run_here(run, node);
    run->budget->quiet--;
    return ok;
}

bool json_schema_run_below(const struct schema_run *run, const struct schema_node *node,
                           const json_t *value, const char *key, size_t index)
{
    struct json_place at = {run->at, key, index};
    struct schema_run inner = {run->budget, run->scope, value, &at, NULL};
    return json_schema_run_here(&inner, node);
}

bool json_schema_run_whole(struct schema_budget *budget, const struct schema_node *node,
                           const json_t *value)
{
    static const struct json_place root;
    struct schema_run run = {budget, NULL, value, &root, NULL};
    return json_schema_run_here(&run, node);
}
