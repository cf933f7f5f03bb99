/*
 * json_pattern: the regular expressions of JSON Schema, run by PCRE2 within a budget.
 *
 * The dialect is that of ECMA-262 as far as PCRE2 has it (JSON Schema 2020-12 core section 6.4): UTF-8, "$" only at the
 * very end, \u0041 and \u{1f600}, [] matches nothing, a group that took no part is empty when referred to, and \d \w \b
 * are ASCII (so no PCRE2_UCP). Differences: \s is ASCII too, a category is \p{L} and not \p{Letter}, a lookbehind has a
 * fixed length; and settings of PCRE2 at a pattern's start are refused. Patterns are never anchored.
 *
 * A match costs steps: one for each item of the pattern that is tried, one for 64 bytes passed over. They are counted
 * where PCRE2 calls out before each item, since its own match limit begins anew at each position of the subject.
 */
#ifndef DLO_COMMON_JSON_PATTERN_H
#define DLO_COMMON_JSON_PATTERN_H

#include <stddef.h>
#include <stdint.h>

struct json_pattern;

/* 0, or -1: `why` says what is wrong with it. */
int json_pattern_new(const char *text, size_t n, struct json_pattern **out, char *why, size_t cap);
void json_pattern_free(struct json_pattern *p);
/* What it takes in memory. */
size_t json_pattern_bytes(const struct json_pattern *p);

enum json_pattern_result {
    JSON_PATTERN_FOUND,
    JSON_PATTERN_ABSENT,
    JSON_PATTERN_TOO_COSTLY,
    JSON_PATTERN_NO_MEMORY
};

/* The memory that matches run in, kept from one to the next; all zero at first. */
struct json_pattern_bench {
    void *data, *context;
    int64_t *steps; /* what is left, counted down; the caller's, set before the first search */
    const unsigned char *last;
};

/* Looks for the pattern anywhere in n bytes of valid UTF-8. */
enum json_pattern_result json_pattern_search(const struct json_pattern *p,
                                             struct json_pattern_bench *bench, const char *subject,
                                             size_t n);
void json_pattern_bench_release(struct json_pattern_bench *bench);

#endif
