/*
 * Prints the tables of routes, a line of JSON each, for the test that holds docs/openapi.yaml against them. It runs no
 * handler and opens nothing.
 */
#include <stdio.h>

#include <jansson.h>

#include "fcgi/route.h"

static const char *const methods[] = {"get", "head", "post", "put", "patch", "delete"};

static json_t *names_of(const char *const *query)
{
    json_t *names = json_array();
    for (; query && *query; query++)
        json_array_append_new(names, json_string(*query));
    return names;
}

static void print_route(const struct route *r)
{
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:o}", "method", methods[r->method],
        "pattern", r->pattern, "scope", principal_scope_name(r->scope), "bodyLimit",
        (json_int_t)r->body_limit, "json", r->flags & ROUTE_BODY_JSON, "optional",
        r->flags & ROUTE_BODY_OPTIONAL, "idempotent", r->flags & ROUTE_IDEMPOTENT, "legacy",
        r->flags & ROUTE_LEGACY, "ndjson", r->flags & ROUTE_NDJSON, "everyProject",
        r->flags & ROUTE_EVERY_PROJECT, "query", names_of(r->query));
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
}

int main(void)
{
    const struct route *const *tables;
    size_t n = route_tables(&tables);
    for (size_t i = 0; i < n; i++)
        for (const struct route *r = tables[i]; r->pattern; r++)
            print_route(r);
    return 0;
}
