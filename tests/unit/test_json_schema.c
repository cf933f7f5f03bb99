/*
 * json_schema: what the suite does not ask (tests/unit/jsonschemasuite.sh runs that): problems and where they are,
 * what is no schema, what cannot be represented, and that no schema and no text costs more than its budget.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/json_schema.h"
#include "common/limits.h"

static struct json_schema *compile(const char *text)
{
    struct json_schema *s = NULL;
    struct json_schema_problem why = {"", ""};
    if (json_schema_new(text, strlen(text), &s, &why) < 0)
        fail_msg("%s: '%s' %s", text, why.pointer, why.detail);
    return s;
}

/* A copy of exactly its size, so that a sanitizer sees a read behind the end. */
static enum json_schema_result check(const char *schema, const char *bytes, size_t n,
                                     struct json_schema_problem *why)
{
    char *copy = malloc(n ? n : 1);
    struct json_schema *s = compile(schema);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    enum json_schema_result r = json_schema_check(s, copy, n, why);
    free(copy);
    json_schema_free(s);
    return r;
}

static enum json_schema_result judge(const char *schema, const char *text)
{
    struct json_schema_problem why;
    return check(schema, text, strlen(text), &why);
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* `n` times `part`, between the others. */
static char *repeated(const char *before, const char *part, size_t n, const char *after)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_add_str(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_add_str(&b, part);
    buf_add_str(&b, after);
    buf_add_char(&b, '\0');
    assert_false(b.failed);
    char *text = strdup(b.data);
    buf_release(&b);
    return text;
}

/* --- problems ----------------------------------------------------------------------------------------------------- */

static void a_problem_names_the_place_and_the_rule(void **state)
{
    static const struct {
        const char *schema, *text, *pointer, *detail;
    } cases[] = {
        {"{\"type\":\"object\"}", "[]", "", "must be of type object"},
        {"{\"type\":[\"string\",\"null\"]}", "1", "", "must be of type null or string"},
        {"{\"properties\":{\"a/b\":{\"items\":{\"minimum\":3}}}}", "{\"a/b\":[5,2]}", "/a~1b/1",
         "must be at least 3"},
        {"{\"properties\":{\"~\":false}}", "{\"~\":1}", "/~0", "no value is allowed here"},
        {"{\"required\":[\"id\"]}", "{}", "", "the member 'id' is missing"},
        {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"a\":1,\"b\":2}", "/b",
         "no value is allowed here"},
        {"{\"unevaluatedProperties\":false}", "{\"\":{}}", "/", "no value is allowed here"},
        {"{\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}}", "[null,7]", "/1",
         "satisfies none of the 2 schemas of anyOf"},
        {"{\"oneOf\":[true,true]}", "1", "",
         "satisfies several of the 2 schemas of oneOf, and must one"},
        {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},3,{\"b\":2.0,\"a\":1}]", "",
         "the elements 0 and 2 are equal"},
        {"{\"pattern\":\"^a\"}", "\"secret\"", "", "does not match the pattern"},
        {"{\"enum\":[1,2,3]}", "4", "", "must be one of the 3 values of enum"},
        {"{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "/abc",
         "must have at most 2 characters"},
        {"{\"not\":{\"required\":[\"a\"]},\"required\":[\"b\"]}", "{}", "",
         "the member 'b' is missing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_schema_problem why = {"?", "?"};
        assert_int_equal(check(cases[i].schema, cases[i].text, strlen(cases[i].text), &why),
                         JSON_SCHEMA_INVALID);
        assert_string_equal(why.pointer, cases[i].pointer);
        assert_string_equal(why.detail, cases[i].detail);
    }
}

static void a_long_pointer_is_cut_behind_a_token(void **state)
{
    struct json_schema_problem why;
    char *text = repeated("", "{\"abcdefghi\":", 100, "1");
    char *closed = repeated(text, "}", 100, "");
    (void)state;
    assert_int_equal(check("{\"additionalProperties\":{\"$ref\":\"#\"},\"type\":\"object\"}",
                           closed, strlen(closed), &why),
                     JSON_SCHEMA_INVALID);
    assert_int_equal(strlen(why.pointer), 250);
    assert_string_equal(why.pointer + 240, "/abcdefghi");
    free(text);
    free(closed);
}

static void a_long_key_is_cut_behind_a_character(void **state)
{
    struct json_schema_problem why;
    char *text = repeated("{\"", "\xe2\x82\xac", 200, "\":1}"); /* the euro sign: three bytes */
    (void)state;
    assert_int_equal(check("{\"additionalProperties\":false}", text, strlen(text), &why),
                     JSON_SCHEMA_INVALID);
    assert_int_equal(strlen(why.pointer), 1 + 84 * 3);
    free(text);
    text = repeated("{\"required\":[\"", "\xe2\x82\xac", 200, "\"]}");
    assert_int_equal(check(text, "{}", 2, &why), JSON_SCHEMA_INVALID);
    assert_int_equal(strlen(why.detail) % 3, strlen("the member '") % 3);
    free(text);
}

/* --- what is no schema -------------------------------------------------------------------------------------------- */

static void what_is_no_schema_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *schema, *pointer, *detail;
    } cases[] = {
        {"", "", "the schema is not JSON (at byte 0)"},
        {"{\"a\":1,}", "", "the schema is not JSON (at byte 7)"},
        {"[]", "", "a schema must be an object, true or false"},
        {"{\"type\":\"strin\"}", "/type",
         "must be the name of a type, or an array of different ones"},
        {"{\"properties\":{\"a\":{\"minLength\":-1}}}", "/properties/a/minLength",
         "must be a non-negative integer"},
        {"{\"allOf\":[true,7]}", "/allOf/1", "a schema must be an object, true or false"},
        {"{\"allOf\":[]}", "/allOf", "must be an array of at least one schema"},
        {"{\"required\":[\"a\",\"a\"]}", "/required", "must be an array of different strings"},
        {"{\"multipleOf\":0}", "/multipleOf", "must be a number greater than 0"},
        {"{\"items\":[true]}", "/items", "a schema must be an object, true or false"},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", "/$schema",
         "must be https://json-schema.org/draft/2020-12/schema or "
         "http://json-schema.org/draft-07/schema#"},
        {"{\"$defs\":{\"a\":{\"$ref\":\"other.json\"}}}", "/$defs/a/$ref",
         "leads out of this document, and nothing is fetched: other.json"},
        {"{\"$ref\":\"#/$defs/none\"}", "/$ref", "the reference leads to no schema"},
        {"{\"$ref\":\"#none\"}", "/$ref", "the reference leads to no schema"},
        {"{\"$ref\":\"#/a\",\"a\":{\"b\":[{\"type\":1}]},\"not\":{\"$ref\":\"#/a/b/0\"}}",
         "/a/b/0/type", "must be the name of a type, or an array of different ones"},
        {"{\"$defs\":{\"a\":{\"$id\":\"x\"},\"b\":{\"$id\":\"x\"}}}", "/$defs/b",
         "two schemas have the same $id"},
        {"{\"pattern\":\"a(\"}", "/pattern",
         "not a regular expression: missing closing parenthesis (at byte 2)"},
        {"{\"patternProperties\":{\"[\":true}}", "/patternProperties",
         "not a regular expression: missing terminating ] for character class (at byte 1)"},
        {"{\"pattern\":\"(*NO_START_OPT)a\"}", "/pattern",
         "not a regular expression of ECMA-262: nothing to repeat"},
        {"{\"maximum\":99999999999999999999}", "",
         "a number is too large to be checked: 64 bits or a double (at byte 31)"},
        {"{\"type\":\"string\",\"type\":\"null\"}", "",
         "a key comes twice in an object (at byte 23)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_schema *s;
        struct json_schema_problem why = {"?", "?"};
        assert_int_equal(json_schema_new(cases[i].schema, strlen(cases[i].schema), &s, &why), -1);
        assert_string_equal(why.detail, cases[i].detail);
        assert_string_equal(why.pointer, cases[i].pointer);
    }
}

static void a_schema_has_bounds(void **state)
{
    char *cases[] = {
        repeated("{\"description\":\"", "0123456789", 7000, "\"}"),
        repeated("{\"allOf\":[{}", ",{}", LIMIT_SCHEMA_NODES, "]}"),
        repeated("", "{\"not\":", LIMIT_SCHEMA_NESTING + 1, ""),
        repeated("{\"pattern\":\"", "a", 2000, "\"}"),
        repeated("{\"pattern\":\"", "(", 500, "\"}"),
        repeated("{\"pattern\":\"(((((ab{99}){99}){99}){99}){99})", "", 0, "\"}"),
        repeated("{\"allOf\":[true", ",{\"pattern\":\"a\"}", LIMIT_SCHEMA_PATTERNS + 1, "]}"),
        repeated("{\"allOf\":[true", ",{\"pattern\":\"((a|b|cd)e){300}\"}", 200, "]}"),
        repeated("{\"$id\":\"http://h/", "0123456789", 200, "\"}"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_schema *s;
        struct json_schema_problem why = {"", ""};
        double begin = seconds();
        if (json_schema_new(cases[i], strlen(cases[i]), &s, &why) == 0)
            fail_msg("case %zu was taken", i);
        assert_true(seconds() - begin < 1);
        assert_true(strlen(why.detail) > 10);
        free(cases[i]);
    }
}

static void many_references_compile_in_time(void **state)
{
    char *text = repeated("{\"$defs\":{\"a\":{\"$anchor\":\"a\"}},\"allOf\":[true",
                          ",{\"$ref\":\"#/$defs/a\"}", 1500, ",{\"$ref\":\"#a\"}]}");
    double begin = seconds();
    (void)state;
    json_schema_free(compile(text));
    assert_true(seconds() - begin < 0.5);
    free(text);
}

/* --- what cannot be represented ----------------------------------------------------------------------------------- */

static void what_cannot_be_represented_satisfies_no_schema(void **state)
{
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"123456789012345678901234567890",
         "a number is too large to be checked: 64 bits or a double (at byte 30)"},
        {"[1e400]", "a number is too large to be checked: 64 bits or a double (at byte 6)"},
        {"{\"a\":1,\"a\":2}", "a key comes twice in an object (at byte 10)"},
        {"{\"a\\u0000\":1}", "a key holds a NUL character (at byte 10)"},
        {"\"\\ud800\"", "not JSON that can be checked (at byte 8)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_schema_problem why = {"?", "?"};
        assert_int_equal(check("true", cases[i].text, strlen(cases[i].text), &why),
                         JSON_SCHEMA_INVALID);
        assert_string_equal(why.detail, cases[i].detail);
        assert_string_equal(why.pointer, "");
    }
}

static void numbers_are_compared_by_value(void **state)
{
    (void)state;
    assert_int_equal(judge("{\"type\":\"integer\",\"const\":1}", "1.0"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"type\":\"integer\"}", "1e300"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"type\":\"integer\"}", "1.5"), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"const\":0}", "-0.0"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"maximum\":9007199254740992.0}", "9007199254740993"),
                     JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"const\":9223372036854775807}", "9223372036854775808.0"),
                     JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"minimum\":-9223372036854775808}", "-1e19"), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"uniqueItems\":true}", "[1,1.0]"), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"multipleOf\":0.01}", "19.99"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"multipleOf\":0.01}", "-4.35"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"multipleOf\":0.01}", "4.355"), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"multipleOf\":0.1}", "0.3"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"multipleOf\":0.1}", "0.30000000000000004"), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"multipleOf\":7}", "9223372036854775807"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"multipleOf\":1e-300}", "1e300"), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"multipleOf\":3e-300}", "1e300"), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"maxLength\":1e300}", "\"a\""), JSON_SCHEMA_OK);
}

static void strings_are_those_of_json(void **state)
{
    (void)state;
    assert_int_equal(judge("{\"const\":\"a\\u0000b\",\"maxLength\":3}", "\"a\\u0000b\""),
                     JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"const\":\"a\"}", "\"a\\u0000b\""), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"pattern\":\"^a$\"}", "\"a\\u0000\""), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"pattern\":\"^a$\"}", "\"a\\n\""), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"pattern\":\"^\\\\d$\"}", "\"\\u0663\""), JSON_SCHEMA_INVALID);
    assert_int_equal(judge("{\"pattern\":\"^\\\\u{1f600}\\\\u0041$\"}", "\"\\ud83d\\ude00A\""),
                     JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"maxLength\":1}", "\"\\ud83d\\ude00\""), JSON_SCHEMA_OK);
}

/* --- cost --------------------------------------------------------------------------------------------------------- */

static void assert_too_costly(const char *schema, const char *text)
{
    struct json_schema_problem why;
    double begin = seconds();
    assert_int_equal(check(schema, text, strlen(text), &why), JSON_SCHEMA_TOO_COSTLY);
    assert_string_equal(why.detail, "checking this takes more steps than are given to it");
    assert_true(seconds() - begin < 5);
}

static void a_catastrophic_pattern_is_too_costly(void **state)
{
    static const char *const schemas[] = {
        "{\"pattern\":\"^(a+)+$\"}",
        "{\"pattern\":\"(a|aa)*[bc]\"}",
        "{\"pattern\":\"(?=(a+))*(a*)*[bc]$\"}",
        "{\"pattern\":\"^(?:.*a){20}[bc]\"}",
        "{\"not\":{\"pattern\":\"^(a+)+$\"}}",
        "{\"anyOf\":[{\"pattern\":\"^(a+)+$\"},true]}",
        "{\"contains\":{\"pattern\":\"^(a+)+$\"},\"pattern\":\"^(a|a)*$\"}",
    };
    char *text = repeated("\"", "a", 5000, "!\"");
    (void)state;
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        assert_too_costly(schemas[i], text);
    free(text);
}

/* Where PCRE2's own match limit would not help: it begins anew at each position. */
static void a_pattern_that_is_quadratic_in_its_starts_is_too_costly(void **state)
{
    char *text = repeated("\"", "abcdefgh", 30000, "\"");
    (void)state;
    assert_too_costly("{\"pattern\":\"[a-h]*[0-9]\"}", text);
    assert_too_costly("{\"pattern\":\"(?:[a-h]*[0-9x])\"}", text);
    free(text);
}

static void an_ordinary_pattern_over_a_large_text_is_not(void **state)
{
    char *text = repeated("\"", "QUJD", 60000, "\"");
    (void)state;
    assert_int_equal(judge("{\"pattern\":\"^(?:[A-Za-z0-9+/]{4})*$\"}", text), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"pattern\":\"^[\\\\x20-\\\\x7e]*$\"}", text), JSON_SCHEMA_OK);
    assert_int_equal(judge("{\"not\":{\"pattern\":\"<script\"}}", text), JSON_SCHEMA_OK);
    free(text);
}

static void references_that_multiply_are_too_costly(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, LIMIT_SCHEMA_BYTES);
    buf_add_str(&b, "{\"$ref\":\"#/$defs/l0\",\"$defs\":{");
    for (int i = 0; i < 40; i++)
        buf_printf(&b,
                   "\"l%d\":{\"allOf\":[{\"$ref\":\"#/$defs/l%d\"},{\"$ref\":\"#/$defs/l%d\"}]},",
                   i, i + 1, i + 1);
    buf_add_str(&b, "\"l40\":{\"type\":\"object\"}}}");
    buf_add_char(&b, '\0');
    assert_too_costly(b.data, "{}");
    buf_release(&b);
}

static void a_schema_that_is_itself_is_too_costly(void **state)
{
    (void)state;
    assert_too_costly("{\"$ref\":\"#\"}", "{}");
    assert_too_costly("{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1");
    assert_too_costly("{\"not\":{\"$ref\":\"#\"}}", "1");
    assert_too_costly("{\"$dynamicAnchor\":\"a\",\"anyOf\":[{\"$dynamicRef\":\"#a\"}]}", "1");
}

static void deep_nesting_ends_in_an_answer(void **state)
{
    static const char tree[] = "{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}";
    char *open = repeated("", "[", 500, ""), *text = repeated(open, "]", 500, "");
    (void)state;
    assert_int_equal(judge(tree, text), JSON_SCHEMA_OK);
    free(open);
    free(text);
    open = repeated("", "[", 1500, "");
    text = repeated(open, "]", 1500, "");
    assert_too_costly(tree, text);
    assert_int_equal(judge("{\"type\":\"array\"}", text), JSON_SCHEMA_OK);
    free(open);
    free(text);
    open = repeated("", "[", 10000, "");
    text = repeated(open, "]", 10000, "");
    struct json_schema_problem why;
    assert_int_equal(check("true", text, strlen(text), &why), JSON_SCHEMA_INVALID);
    assert_string_equal(why.detail, "nested too deeply to be checked (at byte 2049)");
    free(open);
    free(text);
}

static void equal_values_are_found_without_comparing_all(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 30000; i++)
        buf_printf(&b, "%s%d", i ? "," : "[", i);
    buf_add(&b, "   ]", 5);
    assert_int_equal(judge("{\"uniqueItems\":true}", b.data), JSON_SCHEMA_OK);
    memcpy(strrchr(b.data, ']') - 3, ",5 ]", 4);
    assert_int_equal(judge("{\"uniqueItems\":true}", b.data), JSON_SCHEMA_INVALID);
    buf_release(&b);
}

static void a_large_enum_of_objects_takes_steps(void **state)
{
    char *object = repeated("{\"a\":[0", ",0", 2000, "]}");
    struct buf schema, text;
    (void)state;
    buf_init(&schema, LIMIT_SCHEMA_BYTES);
    buf_init(&text, 1 << 20);
    buf_printf(&schema, "{\"items\":{\"enum\":[%s,%s,%s]}}%c", object, object, object, 0);
    for (int i = 0; i < 60; i++)
        buf_printf(&text, "%s%.*s,1]}", i ? "," : "[", (int)strlen(object) - 4, object);
    buf_printf(&text, "]%c", 0);
    enum json_schema_result r = judge(schema.data, text.data);
    assert_true(r == JSON_SCHEMA_INVALID || r == JSON_SCHEMA_TOO_COSTLY);
    buf_release(&schema);
    buf_release(&text);
    free(object);
}

static void marks_of_many_branches_take_steps(void **state)
{
    char *schema = repeated("{\"allOf\":[true", ",{\"anyOf\":[true,{\"contains\":true}]}", 1200,
                            "],\"unevaluatedItems\":false}");
    char *text = repeated("[1", ",1", 60000, "]");
    (void)state;
    assert_too_costly(schema, text);
    free(schema);
    free(text);
}

#if !defined(__SANITIZE_ADDRESS__)
static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* What is left when all is done: nothing. What a schema keeps: what its limits say. */
static void memory_is_bounded_and_given_back(void **state)
{
    (void)state;
    char *large = repeated("{\"allOf\":[true", ",{\"pattern\":\"(a|b){20}c\"}", 200, "]}");
    size_t before = in_use();
    for (int i = 0; i < 20; i++) {
        struct json_schema *s = compile(large);
        struct json_schema_problem why;
        assert_true(in_use() - before < LIMIT_SCHEMA_MEMORY + 3 * LIMIT_SCHEMA_PATTERN_BYTES);
        assert_true(json_schema_bytes(s) < LIMIT_SCHEMA_MEMORY + 3 * LIMIT_SCHEMA_PATTERN_BYTES);
        json_schema_check(s, "\"abab\"", 6, &why);
        json_schema_free(s);
    }
    assert_true(in_use() - before < 64 * 1024 || in_use() <= before);
    free(large);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_names_the_place_and_the_rule),
        cmocka_unit_test(a_long_pointer_is_cut_behind_a_token),
        cmocka_unit_test(a_long_key_is_cut_behind_a_character),
        cmocka_unit_test(what_is_no_schema_is_refused_with_its_place),
        cmocka_unit_test(a_schema_has_bounds),
        cmocka_unit_test(many_references_compile_in_time),
        cmocka_unit_test(what_cannot_be_represented_satisfies_no_schema),
        cmocka_unit_test(numbers_are_compared_by_value),
        cmocka_unit_test(strings_are_those_of_json),
        cmocka_unit_test(a_catastrophic_pattern_is_too_costly),
        cmocka_unit_test(a_pattern_that_is_quadratic_in_its_starts_is_too_costly),
        cmocka_unit_test(an_ordinary_pattern_over_a_large_text_is_not),
        cmocka_unit_test(references_that_multiply_are_too_costly),
        cmocka_unit_test(a_schema_that_is_itself_is_too_costly),
        cmocka_unit_test(deep_nesting_ends_in_an_answer),
        cmocka_unit_test(equal_values_are_found_without_comparing_all),
        cmocka_unit_test(a_large_enum_of_objects_takes_steps),
        cmocka_unit_test(marks_of_many_branches_take_steps),
#if !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(memory_is_bounded_and_given_back),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
