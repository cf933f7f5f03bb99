/*
 * json_scan: the grammar at byte level (the corpus is in json_suite.c), slices, limits, and speed
 * of depth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json_scan.h"

static const struct json_limits limits = {.max_depth = 512};

/* Scans a copy of exactly its size, so that a sanitizer sees a read behind the end. */
static enum json_scan_result scan(const char *text, size_t len, size_t *err_off)
{
    char *copy = malloc(len > 0 ? len : 1);
    enum json_scan_result result;

    assert_non_null(copy);
    memcpy(copy, text, len);
    result = json_scan_value(copy, len, &limits, err_off);
    free(copy);
    return result;
}

static void what_the_grammar_allows_is_taken(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1.10",
        "1e400",
        "123456789012345678901234567890",
        "-1.5E+10",
        "\"\"",
        "null",
        " \t\r\n true ",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "[1,[2,{\"a\":[]}],\"x\"]",
        "\"\x7f\"",
        "\"\\/\\\\\\\"\\b\\f\\n\\r\\t\"",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f"
        "\xbf\xbf\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (scan(good[i], strlen(good[i]), NULL) != JSON_SCAN_OK)
            fail_msg("refused: %s", good[i]);
}

static const struct {
    const char *text;
    enum json_scan_result result;
    size_t offset;
} bad[] = {
    {"", JSON_SCAN_SYNTAX, 0},
    {"  ", JSON_SCAN_SYNTAX, 2},
    {"01", JSON_SCAN_SYNTAX, 1},
    {"-", JSON_SCAN_SYNTAX, 1},
    {"1.", JSON_SCAN_SYNTAX, 2},
    {".5", JSON_SCAN_SYNTAX, 0},
    {"1e", JSON_SCAN_SYNTAX, 2},
    {"1e+", JSON_SCAN_SYNTAX, 3},
    {"+1", JSON_SCAN_SYNTAX, 0},
    {"0x10", JSON_SCAN_SYNTAX, 1},
    {"NaN", JSON_SCAN_SYNTAX, 0},
    {"nul", JSON_SCAN_SYNTAX, 3},
    {"nulll", JSON_SCAN_SYNTAX, 4},
    {"True", JSON_SCAN_SYNTAX, 0},
    {"'a'", JSON_SCAN_SYNTAX, 0},
    {"\"a", JSON_SCAN_SYNTAX, 2},
    {"\"\\", JSON_SCAN_SYNTAX, 2},
    {"\"\\x\"", JSON_SCAN_SYNTAX, 2},
    {"\"\\u12g4\"", JSON_SCAN_SYNTAX, 5},
    {"\"\\u123", JSON_SCAN_SYNTAX, 6},
    {"\"12345678\n\"", JSON_SCAN_SYNTAX, 9},
    {"\"\x1f\"", JSON_SCAN_SYNTAX, 1},
    {"[1,]", JSON_SCAN_SYNTAX, 3},
    {"[,1]", JSON_SCAN_SYNTAX, 1},
    {"[1 2]", JSON_SCAN_SYNTAX, 3},
    {"[1", JSON_SCAN_SYNTAX, 2},
    {"[", JSON_SCAN_SYNTAX, 1},
    {"]", JSON_SCAN_SYNTAX, 0},
    {"[}", JSON_SCAN_SYNTAX, 1},
    {"{]", JSON_SCAN_SYNTAX, 1},
    {"[{]}", JSON_SCAN_SYNTAX, 2},
    {"{\"a\":[1}", JSON_SCAN_SYNTAX, 7},
    {"{\"a\"}", JSON_SCAN_SYNTAX, 4},
    {"{\"a\":}", JSON_SCAN_SYNTAX, 5},
    {"{\"a\":1,}", JSON_SCAN_SYNTAX, 7},
    {"{a:1}", JSON_SCAN_SYNTAX, 1},
    {"{1:1}", JSON_SCAN_SYNTAX, 1},
    {"1 2", JSON_SCAN_SYNTAX, 2},
    {"[] x", JSON_SCAN_SYNTAX, 3},
    {"// c\n1", JSON_SCAN_SYNTAX, 0},
    {"\xef\xbb\xbf{}", JSON_SCAN_SYNTAX, 0}, /* a byte order mark */
    {"\"\x80\"", JSON_SCAN_UTF8, 1},         /* a lone continuation */
    {"\"\xc0\x80\"", JSON_SCAN_UTF8, 1},     /* overlong */
    {"\"\xc1\xbf\"", JSON_SCAN_UTF8, 1},
    {"\"\xe0\x9f\xbf\"", JSON_SCAN_UTF8, 1},
    {"\"\xf0\x8f\xbf\xbf\"", JSON_SCAN_UTF8, 1},
    {"\"a\xed\xa0\x80\"", JSON_SCAN_UTF8, 2}, /* a surrogate */
    {"\"\xed\xbf\xbf\"", JSON_SCAN_UTF8, 1},
    {"\"\xf4\x90\x80\x80\"", JSON_SCAN_UTF8, 1}, /* above U+10FFFF */
    {"\"\xf5\x80\x80\x80\"", JSON_SCAN_UTF8, 1},
    {"\"\xff\"", JSON_SCAN_UTF8, 1},
    {"\"12345678\xe2\x82\"", JSON_SCAN_UTF8, 9}, /* cut short */
    {"\"\xe2\x82", JSON_SCAN_UTF8, 1},
    {"{\"\xff\":1}", JSON_SCAN_UTF8, 2},
    {"[\"\xc3\xa9\xff\"]", JSON_SCAN_UTF8, 4},
};

static void what_it_does_not_allow_is_refused_at_its_offset(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t offset = SIZE_MAX;
        enum json_scan_result result = scan(bad[i].text, strlen(bad[i].text), &offset);

        if (result != bad[i].result || offset != bad[i].offset)
            fail_msg("%s: %s at %zu", bad[i].text, json_scan_result_name(result), offset);
    }
}

static void a_nul_byte_is_refused_everywhere(void **state)
{
    (void)state;
    assert_int_equal(scan("[]\0", 3, NULL), JSON_SCAN_SYNTAX);
    assert_int_equal(scan("[\0]", 3, NULL), JSON_SCAN_SYNTAX);
    assert_int_equal(scan("{\0}", 3, NULL), JSON_SCAN_SYNTAX);
    assert_int_equal(scan("\"a\0b\"", 5, NULL), JSON_SCAN_SYNTAX);
    assert_int_equal(scan("\"\\\0\"", 4, NULL), JSON_SCAN_SYNTAX);
}

static void every_ascii_byte_in_a_string_is_judged_alike_at_each_place_of_a_word(void **state)
{
    (void)state;
    for (size_t at = 1; at <= 24; at++)
        for (unsigned byte = 0; byte < 0x80; byte++) {
            char text[] = "\"aaaaaaaaaaaaaaaaaaaaaaaaaa\"";
            int plain = byte >= 0x20 && byte != '"' && byte != '\\';

            text[at] = (char)byte;
            if ((scan(text, sizeof(text) - 1, NULL) == JSON_SCAN_OK) != plain)
                fail_msg("byte %02x at %zu", byte, at);
        }
}

static void depth_is_counted_and_bounded(void **state)
{
    size_t offset = 0;

    (void)state;
    for (size_t depth = 0; depth <= 3; depth++) {
        struct json_limits tight = {.max_depth = depth};

        assert_int_equal(json_scan_value("1", 1, &tight, NULL), JSON_SCAN_OK);
        assert_int_equal(json_scan_value("[[]]", 4, &tight, &offset),
                         depth >= 2 ? JSON_SCAN_OK : JSON_SCAN_DEPTH);
        if (depth < 2)
            assert_int_equal(offset, depth);
        assert_int_equal(json_scan_value("[[],{},[{}]]", 12, &tight, NULL),
                         depth >= 3 ? JSON_SCAN_OK : JSON_SCAN_DEPTH);
    }
}

static void ten_thousand_levels_need_no_stack(void **state)
{
    enum { LEVELS = 10000 };
    struct json_limits deep = {.max_depth = LEVELS};
    char *text = malloc(2 * LEVELS);
    size_t offset = 0;

    (void)state;
    assert_non_null(text);
    memset(text, '[', LEVELS);
    memset(text + LEVELS, ']', LEVELS);
    assert_int_equal(json_scan_value(text, 2 * LEVELS, &deep, NULL), JSON_SCAN_OK);
    assert_int_equal(json_scan_value(text, 2 * LEVELS - 1, &deep, NULL), JSON_SCAN_SYNTAX);
    text[2 * LEVELS - 5000] = '}';
    assert_int_equal(json_scan_value(text, 2 * LEVELS, &deep, &offset), JSON_SCAN_SYNTAX);
    assert_int_equal(offset, 2 * LEVELS - 5000);
    memset(text, '[', 2 * LEVELS);
    deep.max_depth = SIZE_MAX; /* lowered to JSON_SCAN_DEPTH_MAX */
    assert_int_equal(json_scan_value(text, 2 * LEVELS, &deep, &offset), JSON_SCAN_DEPTH);
    assert_int_equal(offset, JSON_SCAN_DEPTH_MAX);
    free(text);
}

static void brackets_must_match_at_every_level(void **state)
{
    static const char open[] = "[{\"a\":[[{\"b\":{\"c\":[";
    static const char close[] = "]}}]]}]";
    char text[64];
    size_t n = sizeof(open) - 1, all = n + sizeof(close) - 1;

    (void)state;
    for (size_t i = 0; i < sizeof(close) - 1; i++) {
        memcpy(text, open, n);
        memcpy(text + n, close, sizeof(close) - 1);
        assert_int_equal(scan(text, all, NULL), JSON_SCAN_OK);
        text[n + i] = text[n + i] == ']' ? '}' : ']';
        assert_int_equal(scan(text, all, NULL), JSON_SCAN_SYNTAX);
    }
}

static void assert_slice(struct json_slice slice, const char *text)
{
    assert_int_equal(slice.len, strlen(text));
    assert_memory_equal(slice.p, text, slice.len);
}

static void an_object_yields_raw_slices(void **state)
{
    static const char text[] = " { \"a\" : 1.10 ,\"b\\n\":[ {\"x\":1} ], \"c\":\"\\u0000\" } ";
    struct json_member m[4];
    size_t n;

    (void)state;
    assert_int_equal(json_scan_object(text, sizeof(text) - 1, &limits, m, 4, &n, NULL),
                     JSON_SCAN_OK);
    assert_int_equal(n, 3);
    assert_slice(m[0].key, "a");
    assert_slice(m[0].value, "1.10");
    assert_slice(m[1].key, "b\\n");
    assert_slice(m[1].value, "[ {\"x\":1} ]");
    assert_slice(m[2].key, "c");
    assert_slice(m[2].value, "\"\\u0000\"");
}

static enum json_scan_result object(const char *text, size_t max, size_t *n, size_t *offset)
{
    struct json_member m[8];

    return json_scan_object(text, strlen(text), &limits, m, max, n, offset);
}

static void keys_are_compared_decoded(void **state)
{
    static const char *const twice[] = {
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\u0061\":1,\"b\":0,\"a\":2}",
        "{\"\\/\":1,\"/\":2}",
        "{\"\\n\":1,\"\\u000A\":2}",
        "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}",
        "{\"\xc3\xa9\":1,\"\\u00e9\":2}",
        "{\"\":1,\"\":2}",
    };
    static const char *const once[] = {
        "{\"a\":1,\"A\":2}",         "{\"a\":1,\"a \":2}",
        "{\"\\\\u0061\":1,\"a\":2}", "{\"\\ud83d\":1,\"\\ude00\":2,\"\\ud83d\\ude00\":3}",
        "{\"a\":1,\"\\u0061b\":2}",
    };
    size_t n, offset;

    (void)state;
    for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++)
        if (object(twice[i], 8, &n, NULL) != JSON_SCAN_DUPLICATE)
            fail_msg("not seen as duplicate: %s", twice[i]);
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        if (object(once[i], 8, &n, NULL) != JSON_SCAN_OK)
            fail_msg("seen as duplicate: %s", once[i]);
    assert_int_equal(object(twice[0], 8, &n, &offset), JSON_SCAN_DUPLICATE);
    assert_int_equal(offset, 7);
}

static void an_object_is_checked_to_its_last_byte(void **state)
{
    static const struct {
        const char *text;
        enum json_scan_result result;
    } cases[] = {
        {"{\"a\":1} x", JSON_SCAN_SYNTAX},
        {"{\"a\":[1}", JSON_SCAN_SYNTAX},
        {"{\"a\":1,}", JSON_SCAN_SYNTAX},
        {"{\"a\":1", JSON_SCAN_SYNTAX},
        {"{", JSON_SCAN_SYNTAX},
        {"{\"a\":\"\xff\"}", JSON_SCAN_UTF8},
        {"{\"a\" 1}", JSON_SCAN_SYNTAX},
        {"1", JSON_SCAN_TYPE},
        {"[1]", JSON_SCAN_TYPE},
        {"\"a\"", JSON_SCAN_TYPE},
        {"", JSON_SCAN_SYNTAX},
        {"{}", JSON_SCAN_OK},
        {" [ ] ", JSON_SCAN_OK},
        {"[] 1", JSON_SCAN_SYNTAX},
        {"{\"a\":1}", JSON_SCAN_OK},
        {"{\"a\":1,\"b\":2,\"c\":3}", JSON_SCAN_TOO_MANY},
    };
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (object(cases[i].text, 2, &n, NULL) != cases[i].result)
            fail_msg("%s", cases[i].text);
}

struct seen {
    size_t n, stop_at;
    struct json_slice slices[8];
};

static int see(void *arg, size_t index, struct json_slice element)
{
    struct seen *seen = arg;

    assert_int_equal(index, seen->n);
    seen->slices[seen->n++] = element;
    return seen->n == seen->stop_at;
}

static void an_array_yields_its_elements_in_order(void **state)
{
    static const char text[] = "[ 1 ,{\"a\":[2]}, \"x\" ]";
    struct seen seen = {.n = 0};

    (void)state;
    assert_int_equal(json_scan_array(text, sizeof(text) - 1, &limits, 3, see, &seen, NULL),
                     JSON_SCAN_OK);
    assert_int_equal(seen.n, 3);
    assert_slice(seen.slices[0], "1");
    assert_slice(seen.slices[1], "{\"a\":[2]}");
    assert_slice(seen.slices[2], "\"x\"");
}

static void an_array_can_be_stopped_too_long_or_malformed(void **state)
{
    struct seen seen = {.stop_at = 2};

    (void)state;
    assert_int_equal(json_scan_array("[1,2,x", 6, &limits, 9, see, &seen, NULL), JSON_SCAN_STOPPED);
    assert_int_equal(seen.n, 2);
    seen = (struct seen){.n = 0};
    assert_int_equal(json_scan_array("[1,2,3]", 7, &limits, 2, see, &seen, NULL),
                     JSON_SCAN_TOO_MANY);
    assert_int_equal(seen.n, 2);
    seen = (struct seen){.n = 0};
    assert_int_equal(json_scan_array("[1,2", 4, &limits, 9, see, &seen, NULL), JSON_SCAN_SYNTAX);
    assert_int_equal(json_scan_array("{}", 2, &limits, 9, see, &seen, NULL), JSON_SCAN_TYPE);
    seen = (struct seen){.n = 0};
    assert_int_equal(json_scan_array("[]", 2, &limits, 0, see, &seen, NULL), JSON_SCAN_OK);
    assert_int_equal(seen.n, 0);
}

static void skip_finds_the_end_of_one_value(void **state)
{
    size_t end = 0;

    (void)state;
    assert_int_equal(json_scan_skip(" {\"a\":1}\n[", 10, &limits, &end, NULL), JSON_SCAN_OK);
    assert_int_equal(end, 8);
    assert_int_equal(json_scan_skip("12,", 3, &limits, &end, NULL), JSON_SCAN_OK);
    assert_int_equal(end, 2);
}

static struct json_slice slice(const char *text)
{
    return (struct json_slice){text, strlen(text)};
}

static void strings_decode_to_utf8(void **state)
{
    char out[32];
    size_t n;

    (void)state;
    assert_int_equal(
        json_scan_text(slice("\"a\\n\\u00e9\\ud83d\\ude00\\/\xc3\xa9\""), out, sizeof(out), &n), 0);
    assert_string_equal(out, "a\n\xc3\xa9\xf0\x9f\x98\x80/\xc3\xa9");
    assert_int_equal(n, strlen(out));
    assert_int_equal(json_scan_text(slice("a\\u0000b"), out, sizeof(out), &n), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(out, "a\0b", 4);
    assert_int_equal(json_scan_text(slice("\"\""), out, 1, &n), 0);
    assert_int_equal(json_scan_text(slice("abc"), out, 3, &n), -1);
    assert_int_equal(json_scan_text(slice("abc"), out, 4, &n), 0);
    assert_int_equal(json_scan_text(slice("\\ud83d"), out, sizeof(out), &n), -1);
    assert_int_equal(json_scan_text(slice("\\ude00\\ud83d"), out, sizeof(out), &n), -1);
}

static void keys_are_recognised_however_they_are_escaped(void **state)
{
    (void)state;
    assert_true(json_scan_is(slice("payload"), "payload"));
    assert_true(json_scan_is(slice("\"payload\""), "payload"));
    assert_true(json_scan_is(slice("p\\u0061yload"), "payload"));
    assert_false(json_scan_is(slice("payloa"), "payload"));
    assert_false(json_scan_is(slice("payloads"), "payload"));
    assert_false(json_scan_is(slice("payload\\u0000"), "payload"));
    assert_false(json_scan_is(slice("\\ud800"), ""));
    assert_true(json_scan_is(slice(""), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_grammar_allows_is_taken),
        cmocka_unit_test(what_it_does_not_allow_is_refused_at_its_offset),
        cmocka_unit_test(a_nul_byte_is_refused_everywhere),
        cmocka_unit_test(every_ascii_byte_in_a_string_is_judged_alike_at_each_place_of_a_word),
        cmocka_unit_test(depth_is_counted_and_bounded),
        cmocka_unit_test(ten_thousand_levels_need_no_stack),
        cmocka_unit_test(brackets_must_match_at_every_level),
        cmocka_unit_test(an_object_yields_raw_slices),
        cmocka_unit_test(keys_are_compared_decoded),
        cmocka_unit_test(an_object_is_checked_to_its_last_byte),
        cmocka_unit_test(an_array_yields_its_elements_in_order),
        cmocka_unit_test(an_array_can_be_stopped_too_long_or_malformed),
        cmocka_unit_test(skip_finds_the_end_of_one_value),
        cmocka_unit_test(strings_decode_to_utf8),
        cmocka_unit_test(keys_are_recognised_however_they_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
