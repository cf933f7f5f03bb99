/* event_type: validity, and that the list and the regular expression agree with the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <regex.h>

#include <cmocka.h>

#include "common/event_type.h"

static void names_are_1_to_128_of_their_alphabet(void **state)
{
    char name[EVENT_TYPE_BYTES_MAX + 1];

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_true(event_type_valid(name, 128));
    assert_false(event_type_valid(name, 129));
    assert_false(event_type_valid(name, 0));
    assert_true(event_type_valid("order.paid_v2-Beta", 18));
    assert_false(event_type_valid("order.*", 7));
    assert_false(event_type_valid("a b", 3));
    assert_false(event_type_valid("a\0b", 3));
    assert_false(event_type_valid("$dlq", 4));
    assert_false(event_type_valid("\xc3\xa9", 2));
}

static void a_star_is_a_whole_part(void **state)
{
    static const char *const good[] = {"*", "a.*", "*.a", "a.*.c", "*.*", "a", "a.b", "*.*.*"};
    static const char *const bad[] = {"", "a*", "*a", "a.b*", "**", "a.**", "a.*b", "a.$", "(a)"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!event_type_pattern_valid(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (event_type_pattern_valid(bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

static const struct {
    const char *pattern, *name;
    bool matches;
} cases[] = {
    {"*", "a", true},
    {"*", "a.b.c", true},
    {"a", "a", true},
    {"a", "A", false},
    {"a", "a.b", false},
    {"a.b", "a", false},
    {"a.b", "axb", false},
    {"a.*", "a", false},
    {"a.*", "a.b", true},
    {"a.*", "a.b.c", true},
    {"a.*", "ab.c", false},
    {"a.*", "b.a", false},
    {"a.b.*", "a.b", false},
    {"a.b.*", "a.b.c", true},
    {"a.*.c", "a.b.c", true},
    {"a.*.c", "a.b.b.c", false},
    {"a.*.c", "a.c", false},
    {"a.*.c", "a.b.c.d", false},
    {"*.c", "a.c", true},
    {"*.c", "c", false},
    {"*.c", "a.b.c", false},
    {"*.*", "a", false},
    {"*.*", "a.b", true},
    {"*.*", "a.b.c", true},
    {"a.*.c.*", "a.b.c.d.e", true},
    {"a.*.c.*", "a.b.c", false},
    {"a.*", "a.", false},
    {"a.*", "a..b", true},
    {"a.*.b", "a..b", false},
};

static void the_reference_does_what_the_page_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (event_type_matches(cases[i].pattern, cases[i].name) != cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].name);
}

static void the_list_of_a_name_is_itself_its_stars_and_all(void **state)
{
    struct event_type_list list;

    (void)state;
    event_type_patterns("a.b.c", &list);
    assert_int_equal(list.count, 4);
    assert_string_equal(list.item[0], "a.b.c");
    assert_string_equal(list.item[1], "a.b.*");
    assert_string_equal(list.item[2], "a.*");
    assert_string_equal(list.item[3], "*");
    event_type_patterns("a", &list);
    assert_int_equal(list.count, 2);
}

static void the_longest_list_fits(void **state)
{
    struct event_type_list *list = malloc(sizeof(*list));
    char name[EVENT_TYPE_BYTES_MAX + 1];

    (void)state;
    assert_non_null(list);
    memset(name, '.', EVENT_TYPE_BYTES_MAX);
    name[EVENT_TYPE_BYTES_MAX] = '\0';
    event_type_patterns(name, list);
    assert_true(list->count <= EVENT_TYPE_PATTERNS_MAX);
    free(list);
}

/* PostgreSQL's ^(?:...)$ as POSIX spells it. */
static bool regex_matches(const char *regex, const char *name)
{
    char *posix = strdup(regex);
    regex_t compiled;
    bool matches;

    assert_non_null(posix);
    assert_memory_equal(posix, "^(?:", 4);
    memmove(posix + 2, posix + 4, strlen(posix + 4) + 1);
    assert_int_equal(regcomp(&compiled, posix, REG_EXTENDED | REG_NOSUB), 0);
    matches = regexec(&compiled, name, 0, NULL, 0) == 0;
    regfree(&compiled);
    free(posix);
    return matches;
}

static void the_regular_expression_holds_the_other_patterns_only(void **state)
{
    static const char *const patterns[] = {"a.b", "a.*.c", "*", "x.*", "*.paid", "a.*.*"};
    char *regex;

    (void)state;
    assert_int_equal(event_type_regex(patterns, 6, &regex), 0);
    assert_string_equal(regex, "^(?:a\\.[^.]+\\.c|[^.]+\\.paid|a\\.[^.]+\\..+)$");
    free(regex);
    assert_int_equal(event_type_regex(patterns, 1, &regex), 0);
    assert_null(regex);
    assert_int_equal(event_type_regex(patterns, 0, &regex), 0);
    assert_null(regex);
}

/* What SQL does: the pattern is in the name's list, or the name matches the expression. */
static bool sql_matches(const char *pattern, const char *name)
{
    struct event_type_list list;
    bool found = false;
    char *regex;

    event_type_patterns(name, &list);
    for (size_t i = 0; i < list.count; i++)
        found = found || strcmp(list.item[i], pattern) == 0;
    assert_int_equal(event_type_regex(&pattern, 1, &regex), 0);
    assert_true((regex == NULL) == event_type_pattern_listed(pattern));
    if (regex != NULL)
        found = regex_matches(regex, name);
    free(regex);
    return found;
}

static void number_to_text(unsigned n, const char *alphabet, char out[8])
{
    size_t base = strlen(alphabet), at = 0;

    for (; n > 0; n /= (unsigned)base)
        out[at++] = alphabet[n % base];
    out[at] = '\0';
}

/* Every pattern of up to six and name of up to five characters over small alphabets. */
static void list_and_expression_agree_with_the_reference_everywhere(void **state)
{
    char pattern[8], name[8];
    int compared = 0;

    (void)state;
    for (unsigned p = 1; p < 729; p++) {
        number_to_text(p, "a.*", pattern);
        if (!event_type_pattern_valid(pattern, strlen(pattern)))
            continue;
        for (unsigned n = 1; n < 243; n++) {
            number_to_text(n, "ab.", name);
            if (sql_matches(pattern, name) != event_type_matches(pattern, name))
                fail_msg("%s on %s", pattern, name);
            compared++;
        }
    }
    assert_true(compared > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_1_to_128_of_their_alphabet),
        cmocka_unit_test(a_star_is_a_whole_part),
        cmocka_unit_test(the_reference_does_what_the_page_says),
        cmocka_unit_test(the_list_of_a_name_is_itself_its_stars_and_all),
        cmocka_unit_test(the_longest_list_fits),
        cmocka_unit_test(the_regular_expression_holds_the_other_patterns_only),
        cmocka_unit_test(list_and_expression_agree_with_the_reference_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
