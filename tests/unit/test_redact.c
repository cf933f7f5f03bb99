/* redact: what is hidden, what stays, and that no output is ever invalid or too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/redact.h"

static void secret_headers_are_known_in_any_case(void **state)
{
    static const char *const extra[] = {"X-Shop-Token", NULL};

    (void)state;
    assert_true(redact_header_hidden("Authorization", 13, NULL));
    assert_true(redact_header_hidden("PROXY-AUTHORIZATION", 19, NULL));
    assert_true(redact_header_hidden("cookie", 6, NULL));
    assert_true(redact_header_hidden("Set-Cookie", 10, NULL));
    assert_true(redact_header_hidden("x-api-key", 9, NULL));
    assert_false(redact_header_hidden("cookies", 7, NULL));
    assert_false(redact_header_hidden("cooki", 5, NULL));
    assert_false(redact_header_hidden("x-shop-token", 12, NULL));
    assert_true(redact_header_hidden("x-shop-token", 12, extra));
}

static const struct {
    const char *in, *out;
} blocks[] = {
    {"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/\r\nContent-Type: text/plain\r\n\r\n",
     "HTTP/1.1 200 OK\r\nSet-Cookie: [redacted]\r\nContent-Type: text/plain\r\n\r\n"},
    {"Authorization: Bearer abc", "Authorization: [redacted]"},
    {"a: 1\nCOOKIE:x\nb: 2\n", "a: 1\nCOOKIE: [redacted]\nb: 2\n"},
    {"Cookie: a\r\n folded-secret\r\n\tmore\r\nb: 2\r\n c\r\n",
     "Cookie: [redacted]\r\nb: 2\r\n c\r\n"},
    {"Cookie : odd\r\n", "Cookie : [redacted]\r\n"},
    {"Set-Cookie: a\r\nSet-Cookie: b\r\n", "Set-Cookie: [redacted]\r\nSet-Cookie: [redacted]\r\n"},
    {"cookie\r\nno colon\r\n", "cookie\r\nno colon\r\n"},
    {"", ""},
    {"\r\n", "\r\n"},
};

static void header_blocks_lose_secret_values_and_nothing_else(void **state)
{
    char out[256];

    (void)state;
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        size_t n = redact_headers(blocks[i].in, strlen(blocks[i].in), NULL, out, sizeof(out));

        assert_string_equal(out, blocks[i].out);
        assert_int_equal(n, strlen(out));
    }
}

static void the_projects_own_names_are_hidden_too(void **state)
{
    static const char *const extra[] = {"x-a", "x-b", NULL};
    char out[128];

    (void)state;
    redact_headers("X-A: 1\r\nX-B: 2\r\nX-C: 3\r\n", 24, extra, out, sizeof(out));
    assert_string_equal(out, "X-A: [redacted]\r\nX-B: [redacted]\r\nX-C: 3\r\n");
}

static const struct {
    const char *in, *out;
} urls[] = {
    {"https://h/p?token=abc&x", "https://h/p?token=[redacted]&x"},
    {"https://h/p?a=1&b=2#frag?c=3", "https://h/p?a=[redacted]&b=[redacted]#frag?c=3"},
    {"https://h/p", "https://h/p"},
    {"https://h/p?", "https://h/p?"},
    {"https://h/p?a=", "https://h/p?a=[redacted]"},
    {"https://h/p?a=b=c;d=e&&", "https://h/p?a=[redacted];d=[redacted]&&"},
    {"https://h/p?a=x?y=z/w", "https://h/p?a=[redacted]"},
    {"https://h/#a?b=c", "https://h/#a?b=c"},
    {"", ""},
};

static void query_values_are_replaced(void **state)
{
    char out[128];

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(redact_url(urls[i].in, strlen(urls[i].in), out, sizeof(out)),
                         strlen(urls[i].out));
        assert_string_equal(out, urls[i].out);
    }
}

#define FFFD "\xef\xbf\xbd"

static const struct {
    const char *in;
    size_t n;
    const char *out;
} bytes[] = {
    {"plain", 5, "plain"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"a\0b", 3, "a" FFFD "b"},
    {"\xff\xfe", 2, FFFD FFFD},
    {"\xc3", 1, FFFD},
    {"\xe2\x82", 2, FFFD FFFD},
    {"\xc0\x80", 2, FFFD FFFD},
    {"\xed\xa0\x80", 3, FFFD FFFD FFFD},
    {"\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD},
    {"\xe0\x9f\xbf", 3, FFFD FFFD FFFD},
    {"\xf0\x8f\xbf\xbf", 4, FFFD FFFD FFFD FFFD},
    {"x\x80y", 3, "x" FFFD "y"},
    {"", 0, ""},
};

static void any_bytes_become_utf8_without_nul(void **state)
{
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        assert_int_equal(redact_to_utf8(bytes[i].in, bytes[i].n, out, sizeof(out)),
                         strlen(bytes[i].out));
        assert_string_equal(out, bytes[i].out);
    }
}

static void utf8_is_cut_between_characters(void **state)
{
    char out[8];

    (void)state;
    memset(out, 0x5a, sizeof(out));
    assert_int_equal(redact_to_utf8("a\xe2\x82\xac"
                                    "b",
                                    5, out, 4),
                     1);
    assert_string_equal(out, "a");
    assert_int_equal(redact_to_utf8("a\xe2\x82\xac"
                                    "b",
                                    5, out, 5),
                     4);
    assert_int_equal(redact_to_utf8("abc", 3, out, 1), 0);
    assert_string_equal(out, "");
}

/* A full output is terminated, not overrun: the buffer has exactly the bytes that are promised. */
static void every_output_fits_its_room(void **state)
{
    static const char in[] = "Cookie: abc\r\nX: ?a=1&b=2\r\n";

    (void)state;
    for (size_t cap = 1; cap < 64; cap++) {
        char *out = malloc(cap);

        assert_non_null(out);
        assert_true(redact_headers(in, sizeof(in) - 1, NULL, out, cap) < cap);
        assert_null(memmem(out, strlen(out), "abc", 3));
        assert_true(redact_url(in, sizeof(in) - 1, out, cap) < cap);
        assert_true(redact_to_utf8("\xff\xff\xff\xff\xff\xff", 6, out, cap) < cap);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_headers_are_known_in_any_case),
        cmocka_unit_test(header_blocks_lose_secret_values_and_nothing_else),
        cmocka_unit_test(the_projects_own_names_are_hidden_too),
        cmocka_unit_test(query_values_are_replaced),
        cmocka_unit_test(any_bytes_become_utf8_without_nul),
        cmocka_unit_test(utf8_is_cut_between_characters),
        cmocka_unit_test(every_output_fits_its_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
