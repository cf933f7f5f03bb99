/* redact_body: no value at a path is left, in whatever state the body is, and the rest of it stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/redact_body.h"

#define HTML "<html><head><title>502 Bad Gateway</title></head></html>"

static struct json_path_set *rules(void)
{
    static const char *const paths[] = {"$.card.number", "$.items[*].secret", "$..password"};
    struct json_path_set *set = json_path_new();

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(json_path_add(set, paths[i], strlen(paths[i])), JSON_PATH_OK);
    return set;
}

static const struct {
    const char *in, *out;
} bodies[] = {
    {"{\"card\":{\"number\":\"4111\",\"brand\":\"visa\"}}",
     "{\"card\":{\"number\":\"[redacted]\",\"brand\":\"visa\"}}"},
    {" { \"number\" : 1 ,\n \"password\" : {\"was\":\"s\"} } \n",
     " { \"number\" : 1 ,\n \"password\" : \"[redacted]\" } \n"},
    {"{\"items\":[{\"secret\":1},{\"secret\":null},{\"x\":1e400}]}",
     "{\"items\":[{\"secret\":\"[redacted]\"},{\"secret\":\"[redacted]\"},{\"x\":1e400}]}"},
    {"{\"a\":1}", "{\"a\":1}"},
    {"\xef\xbb\xbf{\"password\":1}", "\xef\xbb\xbf{\"password\":\"[redacted]\"}"},
    {"{\"p\":\"\\u00e9\",\"pass\\u0077ord\":\"x\"}",
     "{\"p\":\"\\u00e9\",\"pass\\u0077ord\":\"[redacted]\"}"},
    /* cut off */
    {"{\"a\":1,\"password\":\"s3cr", "{\"a\":1,\"password\":\"[redacted]\""},
    {"{\"password\":\"s3cret\",\"b\":[1,2", "{\"password\":\"[redacted]\",\"b\":[1,2"},
    {"{\"passw", "{\"passw"},
    /* broken: nothing is kept that was not understood */
    {"{\"a\":1}\n{\"password\":\"s3cret\"}", "{\"a\":1}\n[redacted]"},
    {"{'password':'s3cret'}", "{[redacted]"},
    {"{\"a\":1 \"password\":\"s3cret\"}", "{\"a\":1 [redacted]"},
    {"{\"password\":\"s3cret\"", "{\"password\":\"[redacted]\""},
    {"{\"password\":s3cret}", "{\"password\":\"[redacted]\"[redacted]"},
    {"[\"\xff\",{\"password\":1}]", "[\"[redacted]"},
    /* other text */
    {HTML, HTML},
    {"<form><input name=\"Password\" value=\"s3cret\"></form>", "[redacted]"},
    {"callback({\"password\":\"s3cret\"})", "[redacted]"},
    {")]}'\n{\"password\":\"s3cret\"}", "[redacted]"},
    {"x {\"pass\\u0077ord\":\"s3cret\"}", "[redacted]"},
    {"number=4111&x=1", "[redacted]"},
    {"not found", "not found"},
    {"\"a string that is JSON\"", "\"a string that is JSON\""},
    {"\"cut off: password", "[redacted]"},
    {"502 of JSON's values", "502 of JSON's values"},
    {"\x1f\x8b\x08\x01\xff\xfe compressed", "[redacted]"},
    {"caf\xc3", "caf\xc3"},
    {"\xef\xbb\xbf\xef\xbb\xbf{\"password\":1}", "[redacted]"},
    {"", ""},
    {"   ", "   "},
};

static void no_hidden_value_is_left(void **state)
{
    struct json_path_set *set = rules();

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct buf out;

        buf_init(&out, 1000);
        assert_true(redact_body(set, bodies[i].in, strlen(bodies[i].in), &out));
        if (strcmp(out.data ? out.data : "", bodies[i].out) != 0)
            fail_msg("'%s' became '%s'", bodies[i].in, out.data);
        buf_release(&out);
    }
    json_path_free(set);
}

static void bytes_that_are_not_text_are_hidden(void **state)
{
    static const char wide[] = "{\0\"\0p\0a\0s\0s\0w\0o\0r\0d\0\"\0:\0\"\0s\0\"\0}\0";
    struct json_path_set *set = rules();
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    redact_body(set, wide, sizeof wide - 1, &out);
    assert_string_equal(out.data, "{[redacted]");
    buf_clear(&out);
    redact_body(set, "a\0password", 10, &out);
    assert_string_equal(out.data, "[redacted]");
    buf_release(&out);
    json_path_free(set);
}

/* Marks may be longer than what they hide: the copy is cut at its cap, and says so. */
static void what_does_not_fit_is_cut(void **state)
{
    struct json_path_set *set = json_path_new();
    struct buf out;

    (void)state;
    assert_int_equal(json_path_add(set, "$[*]", 4), JSON_PATH_OK);
    for (size_t cap = 0; cap < 40; cap++) {
        buf_init(&out, cap);
        assert_int_equal(redact_body(set, "[1,2,3]", 7, &out), cap >= 40);
        assert_int_equal(out.len, cap);
        buf_release(&out);
    }
    buf_init(&out, 40);
    assert_true(redact_body(set, "[1,2,3]", 7, &out));
    assert_string_equal(out.data, "[\"[redacted]\",\"[redacted]\",\"[redacted]\"]");
    buf_release(&out);
    json_path_free(set);
}

/* Wherever a body is cut, its secret is gone from what is left. */
static void no_cut_lets_a_value_through(void **state)
{
    static const char text[] =
        "{\"a\":[{\"password\":\"s3cret\"},1],\"card\":{\"number\":\"s3cret\"},"
        "\"b\":{\"password\":{\"c\":[\"s3cret\"]}}}";
    struct json_path_set *set = rules();

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        struct buf out;

        buf_init(&out, 1000);
        redact_body(set, text, n, &out);
        assert_null(out.data ? strstr(out.data, "s3") : NULL);
        buf_release(&out);
    }
    json_path_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_hidden_value_is_left),
        cmocka_unit_test(bytes_that_are_not_text_are_hidden),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(no_cut_lets_a_value_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
