/*
 * See json_pattern.h. Owns compiled patterns and the bench they run on. Must never use PCRE2's JIT (its code is not
 * interrupted by callouts alone, and needs memory that is both writable and executable), never search without a
 * budget, and never take a setting from a pattern.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/json_pattern.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 100
#define BYTES_A_STEP 64
/* Behind the budget of steps, which is met first; they hold if a callout is ever left out. */
#define MATCH_LIMIT 10000000
#define DEPTH_LIMIT 1000000
#define HEAP_LIMIT_KIB (16 * 1024)

#define OPTIONS                                                                                    \
    (PCRE2_UTF | PCRE2_AUTO_CALLOUT | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |                      \
     PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C)

struct json_pattern {
    pcre2_code *code;
};

static int refuse(char *why, size_t cap, const char *text)
{
    snprintf(why, cap, "%s", text);
    return -1;
}

static pcre2_compile_context *dialect(void)
{
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);
    if (c) {
        pcre2_set_compile_extra_options(c, PCRE2_EXTRA_ALT_BSUX);
        pcre2_set_newline(c, PCRE2_NEWLINE_ANYCRLF);
        pcre2_set_parens_nest_limit(c, NESTING_MAX);
    }
    return c;
}

static pcre2_code *compile(const char *text, size_t n, char *why, size_t cap)
{
    int error = 0;
    PCRE2_SIZE offset = 0;
    PCRE2_UCHAR message[160];
    pcre2_compile_context *context = dialect();
    pcre2_code *code =
        context ? pcre2_compile((PCRE2_SPTR)text, n, OPTIONS, &error, &offset, context) : NULL;
    if (!context) {
        snprintf(why, cap, "out of memory");
    } else if (!code) {
        pcre2_get_error_message(error, message, sizeof message);
        snprintf(why, cap, "not a regular expression: %s (at byte %zu)", (char *)message, offset);
    }
    pcre2_compile_context_free(context);
    return code;
}

int json_pattern_new(const char *text, size_t n, struct json_pattern **out, char *why, size_t cap)
{
    if (n >= 2 && memcmp(text, "(*", 2) == 0)
        return refuse(why, cap, "not a regular expression of ECMA-262: nothing to repeat");
    struct json_pattern *p = calloc(1, sizeof *p);
    if (!p)
        return refuse(why, cap, "out of memory");
    p->code = compile(text, n, why, cap);
    if (!p->code) {
        free(p);
        return -1;
    }
    *out = p;
    return 0;
}

void json_pattern_free(struct json_pattern *p)
{
    if (p)
        pcre2_code_free(p->code);
    free(p);
}

size_t json_pattern_bytes(const struct json_pattern *p)
{
    size_t bytes = 0;
    pcre2_pattern_info(p->code, PCRE2_INFO_SIZE, &bytes);
    return bytes;
}

/* Before each item of the pattern, and behind the last. */
static int count(pcre2_callout_block *block, void *arg)
{
    struct json_pattern_bench *bench = arg;
    const unsigned char *now = block->subject + block->current_position;
    ptrdiff_t moved = now > bench->last ? now - bench->last : bench->last - now;
    bench->last = now;
    *bench->steps -= 1 + moved / BYTES_A_STEP;
    return *bench->steps < 0 ? PCRE2_ERROR_CALLOUT : 0;
}

static int prepare(struct json_pattern_bench *bench)
{
    if (bench->data)
        return 0;
    bench->data = pcre2_match_data_create(1, NULL);
    bench->context = pcre2_match_context_create(NULL);
    if (!bench->data || !bench->context)
        return -1;
    pcre2_set_match_limit(bench->context, MATCH_LIMIT);
    pcre2_set_depth_limit(bench->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(bench->context, HEAP_LIMIT_KIB);
    pcre2_set_callout(bench->context, count, bench);
    return 0;
}

enum json_pattern_result json_pattern_search(const struct json_pattern *p,
                                             struct json_pattern_bench *bench, const char *subject,
                                             size_t n)
{
    if (prepare(bench) < 0)
        return JSON_PATTERN_NO_MEMORY;
    *bench->steps -= 1 + (int64_t)(n / BYTES_A_STEP); /* what is passed over without a callout */
    bench->last = (PCRE2_SPTR)subject;
    int rc = pcre2_match(p->code, (PCRE2_SPTR)subject, n, 0, PCRE2_NO_UTF_CHECK, bench->data,
                         bench->context);
    if (rc >= 0)
        return JSON_PATTERN_FOUND;
    if (rc == PCRE2_ERROR_NOMATCH)
        return JSON_PATTERN_ABSENT;
    return rc == PCRE2_ERROR_NOMEMORY ? JSON_PATTERN_NO_MEMORY : JSON_PATTERN_TOO_COSTLY;
}

void json_pattern_bench_release(struct json_pattern_bench *bench)
{
    pcre2_match_data_free(bench->data);
    pcre2_match_context_free(bench->context);
    *bench = (struct json_pattern_bench){0};
}
