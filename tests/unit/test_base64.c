/* base64: RFC 4648 section 10, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"

static const struct {
    const char *plain, *text, *bare;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xff\xef\xbe", "/+++", "/+++"},
};

static void vectors_hold_both_ways_with_and_without_padding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t plain = strlen(vectors[i].plain), n;
        char text[BASE64_TEXT(6)];
        unsigned char back[6];

        assert_int_equal(base64_encode(vectors[i].plain, plain, text), strlen(vectors[i].text));
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(base64_decode(text, strlen(text), back, sizeof(back), &n), 0);
        assert_int_equal(n, plain);
        assert_memory_equal(back, vectors[i].plain, n);
        base64_encode_bare(vectors[i].plain, plain, text);
        assert_string_equal(text, vectors[i].bare);
        assert_int_equal(base64_decode(text, strlen(text), back, sizeof(back), &n), 0);
        assert_int_equal(n, plain);
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const bad[] = {"Z",      "Zg=",  "Zg===", "Zm9v=",    "=",
                                      "====",   "Z===", "Zm9vY", "Zg==Zg==", " Zg==",
                                      "Zg==\n", "Zm-v", "Zm_v",  "Zm=v"};
    unsigned char out[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (base64_decode(bad[i], strlen(bad[i]), out, sizeof(out), &n) != -1)
            fail_msg("taken: '%s'", bad[i]);
    assert_int_equal(base64_decode("Zm\0v", 4, out, sizeof(out), &n), -1);
}

static void room_is_respected_to_the_byte(void **state)
{
    unsigned char out[4] = {0, 0, 0, 0x5a};
    size_t n;

    (void)state;
    assert_int_equal(base64_decode("Zm9vYg", 6, out, 3, &n), -1);
    assert_int_equal(base64_decode("Zm9v", 4, out, 3, &n), 0);
    assert_int_equal(out[3], 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold_both_ways_with_and_without_padding),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(room_is_respected_to_the_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
