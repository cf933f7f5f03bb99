/*
 * The schema's part of shape.h. Keeps the schema it judged with last: a sandbox serves one project, mostly one webhook.
 * Memory only.
 */
#include "worker/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/json_schema.h"

static struct {
    char *text;
    size_t len;
    struct json_schema *schema;
} kept;

/* Jansson would open /dev/urandom on its first use. */
void shape_schema_warm_up(void)
{
    json_object_seed(0);
}

static void say(const struct json_schema_problem *problem, char *why)
{
    snprintf(why, SHAPE_TEXT_MAX, "%.200s%s%s", problem->pointer, problem->pointer[0] ? ": " : "",
             problem->detail);
}

static int keep(const char *text, size_t n, struct json_schema_problem *problem)
{
    if (kept.schema && kept.len == n && memcmp(kept.text, text, n) == 0)
        return 0;
    json_schema_free(kept.schema);
    free(kept.text);
    kept.schema = NULL;
    kept.len = n;
    kept.text = malloc(n + 1);
    if (!kept.text) {
        snprintf(problem->detail, sizeof problem->detail, "out of memory");
        return -1;
    }
    memcpy(kept.text, text, n);
    return json_schema_new(text, n, &kept.schema, problem);
}

enum shape_code shape_schema(const char *schema, size_t schema_len, const char *json, size_t n,
                             char *why)
{
    static const enum shape_code codes[] = {[JSON_SCHEMA_OK] = SHAPE_CODE_OK,
                                            [JSON_SCHEMA_INVALID] = SHAPE_CODE_SCHEMA_REJECTED,
                                            [JSON_SCHEMA_TOO_COSTLY] = SHAPE_CODE_SCHEMA_COSTLY,
                                            [JSON_SCHEMA_NO_MEMORY] = SHAPE_CODE_SCHEMA_COSTLY};
    struct json_schema_problem problem = {0};
    enum shape_code code = SHAPE_CODE_SCHEMA_INVALID;
    if (keep(schema, schema_len, &problem) == 0)
        code = codes[json_schema_check(kept.schema, json, n, &problem)];
    if (code != SHAPE_CODE_OK)
        say(&problem, why);
    return code;
}
