/* http_date: Retry-After in every form that is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/http_date.h"

#define NOVEMBER_1994 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 */

static int64_t wait(const char *text, int64_t now)
{
    return http_date_retry_after(text, strlen(text), now);
}

static void seconds_are_rounded_up_and_clamped(void **state)
{
    (void)state;
    assert_int_equal(wait("0", 0), 0);
    assert_int_equal(wait("120", 0), 120);
    assert_int_equal(wait("120.6", 0), 121);
    assert_int_equal(wait("120.0", 0), 120);
    assert_int_equal(wait("0.01", 0), 1);
    assert_int_equal(wait(" 120\t", 0), 120);
    assert_int_equal(wait("0000000120", 0), 120);
    assert_int_equal(wait("86400", 0), 86400);
    assert_int_equal(wait("86400.5", 0), 86400);
    assert_int_equal(wait("86401", 0), 86400);
    assert_int_equal(wait("99999999999999999999999999999999", 0), 86400);
}

static void all_three_dates_are_the_same_moment(void **state)
{
    static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    int64_t t;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(http_date_parse(forms[i], strlen(forms[i]), NOVEMBER_1994, &t), 0);
        assert_int_equal(t, NOVEMBER_1994);
        assert_int_equal(wait(forms[i], NOVEMBER_1994 - 90), 90);
        assert_int_equal(wait(forms[i], NOVEMBER_1994), 0);
        assert_int_equal(wait(forms[i], NOVEMBER_1994 + 1), 0);
        assert_int_equal(wait(forms[i], NOVEMBER_1994 - 1000000), 86400);
    }
}

static void two_digit_years_lie_within_fifty_years_ahead(void **state)
{
    static const char date[] = "Sunday, 06-Nov-94 08:49:37 GMT";
    int64_t t;

    (void)state;
    assert_int_equal(http_date_parse(date, strlen(date), INT64_C(1795000000), &t), 0); /* 2026 */
    assert_int_equal(t, NOVEMBER_1994);
    assert_int_equal(http_date_parse(date, strlen(date), INT64_C(2366841600), &t), 0); /* 2045 */
    assert_int_equal(t, INT64_C(3939871777));                                          /* 2094 */
}

static void what_is_neither_is_no_wait(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "-1",
        "+5",
        "5s",
        "1e3",
        "1.",
        ".5",
        "1.5.2",
        "1,5",
        "soon",
        "5, 10",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:00:00 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (wait(bad[i], NOVEMBER_1994 - 10) != -1)
            fail_msg("taken: '%s'", bad[i]);
    assert_int_equal(http_date_retry_after("12\0", 3, 0), -1);
}

static void nothing_is_read_behind_the_length(void **state)
{
    char *text = malloc(3);

    (void)state;
    assert_non_null(text);
    memcpy(text, "120", 3);
    assert_int_equal(http_date_retry_after(text, 3, 0), 120);
    assert_int_equal(http_date_retry_after(text, 2, 0), 12);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_rounded_up_and_clamped),
        cmocka_unit_test(all_three_dates_are_the_same_moment),
        cmocka_unit_test(two_digit_years_lie_within_fifty_years_ahead),
        cmocka_unit_test(what_is_neither_is_no_wait),
        cmocka_unit_test(nothing_is_read_behind_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
