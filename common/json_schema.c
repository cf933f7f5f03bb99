/*
 * See json_schema.h. Owns the life of a schema and of one check: the parse, the budget, the answer. Must never judge a
 * text that was altered while it was read, so duplicate keys and what does not fit are refused here.
 */
#include "common/json_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_scan.h"
#include "common/json_schema_parts.h"

#define PARSE (JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

static int refuse(struct json_schema_problem *why, const char *detail)
{
    why->pointer[0] = '\0';
    snprintf(why->detail, sizeof why->detail, "%s", detail);
    return -1;
}

/* What Jansson could not take, in our words; the byte is where it noticed. */
static void explain(const json_error_t *error, struct json_schema_problem *why)
{
    static const struct {
        enum json_error_code code;
        const char *text;
    } known[] = {
        {json_error_duplicate_key, "a key comes twice in an object"},
        {json_error_numeric_overflow, "a number is too large to be checked: 64 bits or a double"},
        {json_error_stack_overflow, "nested too deeply to be checked"},
        {json_error_null_byte_in_key, "a key holds a NUL character"},
        {json_error_invalid_utf8, "not UTF-8"},
        {json_error_out_of_memory, "out of memory"},
    };
    const char *text = "not JSON that can be checked";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == json_error_code(error))
            text = known[i].text;
    why->pointer[0] = '\0';
    snprintf(why->detail, sizeof why->detail, "%s (at byte %d)", text, error->position);
}

/* --- making one --------------------------------------------------------------------------------------------------- */

static int scan(const char *text, size_t n, struct json_schema_problem *why)
{
    static const struct json_limits limits = {LIMIT_SCHEMA_NESTING};
    size_t offset = 0;
    enum json_scan_result r = json_scan_value(text, n, &limits, &offset);
    if (r == JSON_SCAN_OK)
        return 0;
    refuse(why, "");
    snprintf(why->detail, sizeof why->detail, "%s (at byte %zu)",
             r == JSON_SCAN_DEPTH ? "a schema may be nested 256 deep" : "the schema is not JSON",
             offset);
    return -1;
}

static int read_text(const char *text, size_t n, json_t **json, struct json_schema_problem *why)
{
    json_error_t error;
    if (n > LIMIT_SCHEMA_BYTES)
        return refuse(why, "a schema takes at most 64 KiB");
    if (scan(text, n, why) < 0)
        return -1;
    *json = json_loadb(text, n, PARSE, &error);
    if (!*json)
        explain(&error, why);
    return *json ? 0 : -1;
}

static int choose_draft(struct json_schema *s, struct json_schema_problem *why)
{
    const json_t *named = json_object_get(s->json, "$schema");
    s->draft = DRAFT_2020_12;
    if (!named)
        return 0;
    s->draft = json_is_string(named) ? json_schema_shape_draft(json_string_value(named)) : 0;
    if (s->draft)
        return 0;
    refuse(why, "must be https://json-schema.org/draft/2020-12/schema or "
                "http://json-schema.org/draft-07/schema#");
    snprintf(why->pointer, sizeof why->pointer, "/$schema");
    return -1;
}

int json_schema_new(const char *text, size_t n, struct json_schema **out,
                    struct json_schema_problem *why)
{
    struct json_schema *s = calloc(1, sizeof *s);
    if (!s)
        return refuse(why, "out of memory");
    arena_init(&s->arena, LIMIT_SCHEMA_MEMORY);
    s->text_bytes = n;
    s->constants[0].never = true;
    if (read_text(text, n, &s->json, why) < 0 || choose_draft(s, why) < 0 ||
        !json_schema_index_compile(s, why)) {
        json_schema_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void json_schema_free(struct json_schema *s)
{
    if (!s)
        return;
    for (struct schema_pattern *p = s->patterns; p; p = p->next)
        json_pattern_free(p->pattern);
    json_decref(s->json);
    arena_release(&s->arena);
    free(s);
}

/* The parsed text takes several times its own size. */
size_t json_schema_bytes(const struct json_schema *s)
{
    return sizeof *s + s->arena.used_bytes + s->pattern_bytes + 16 * s->text_bytes;
}

/* --- a check ------------------------------------------------------------------------------------------------------ */

enum json_schema_result json_schema_check(const struct json_schema *s, const char *bytes, size_t n,
                                          struct json_schema_problem *why)
{
    json_error_t error;
    json_t *value = json_loadb(bytes, n, PARSE, &error);
    if (!value) {
        explain(&error, why);
        return json_error_code(&error) == json_error_out_of_memory ? JSON_SCHEMA_NO_MEMORY
                                                                   : JSON_SCHEMA_INVALID;
    }
    struct schema_budget b = {.why = why};
    b.steps = LIMIT_SCHEMA_STEPS + LIMIT_SCHEMA_STEPS_A_BYTE * (int64_t)n;
    bool ok = json_schema_run_whole(&b, s->root, value);
    json_pattern_bench_release(&b.bench);
    json_decref(value);
    if (b.result != JSON_SCHEMA_OK)
        return b.result;
    return ok ? JSON_SCHEMA_OK : JSON_SCHEMA_INVALID;
}
