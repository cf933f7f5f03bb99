/* json_path: what is taken, what it leads to, and that no text makes it lose its way. (The suite: jsonpathsuite.sh.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json_path.h"

static enum json_path_result add(struct json_path_set *set, const char *path)
{
    return json_path_add(set, path, strlen(path));
}

static const struct {
    const char *path;
    enum json_path_result result;
} texts[] = {
    {"$", JSON_PATH_OK},
    {"$.card.number", JSON_PATH_OK},
    {"$['odd name'][\"x\"]", JSON_PATH_OK},
    {"$.items[*].secret", JSON_PATH_OK},
    {"$.items[0]", JSON_PATH_OK},
    {"$..password", JSON_PATH_OK},
    {"$..[*]", JSON_PATH_OK},
    {"$..['a']", JSON_PATH_OK},
    {"$.*", JSON_PATH_OK},
    {"$ [ 'a' ] .b", JSON_PATH_OK},
    {"$['\\'\\u0041\\n']", JSON_PATH_OK},
    {"$.\xc3\xbc", JSON_PATH_OK},
    {"", JSON_PATH_SYNTAX},
    {"card", JSON_PATH_SYNTAX},
    {".card", JSON_PATH_SYNTAX},
    {"$card", JSON_PATH_SYNTAX},
    {"$.", JSON_PATH_SYNTAX},
    {"$..", JSON_PATH_SYNTAX},
    {"$...a", JSON_PATH_SYNTAX},
    {"$.x-token", JSON_PATH_SYNTAX},
    {"$.1a", JSON_PATH_SYNTAX},
    {"$[01]", JSON_PATH_SYNTAX},
    {"$[9007199254740992]", JSON_PATH_SYNTAX},
    {"$[9007199254740991]", JSON_PATH_OK},
    {"$['a", JSON_PATH_SYNTAX},
    {"$['a'", JSON_PATH_SYNTAX},
    {"$['\\", JSON_PATH_SYNTAX},
    {"$['\\ud800']", JSON_PATH_SYNTAX},
    {"$['\x01']", JSON_PATH_SYNTAX},
    {"$.\xff", JSON_PATH_SYNTAX},
    {"$ ", JSON_PATH_SYNTAX},
    {"$[", JSON_PATH_SYNTAX},
    {"$[a]", JSON_PATH_SYNTAX},
    {"$[-1]", JSON_PATH_UNSUPPORTED},
    {"$[1:2]", JSON_PATH_UNSUPPORTED},
    {"$['a','b']", JSON_PATH_UNSUPPORTED},
    {"$[?@.a]", JSON_PATH_UNSUPPORTED},
};

static void only_what_is_understood_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_path_set *set = json_path_new();

        if (add(set, texts[i].path) != texts[i].result)
            fail_msg("'%s'", texts[i].path);
        json_path_free(set);
    }
}

static void long_paths_and_large_sets_are_refused(void **state)
{
    char path[JSON_PATH_BYTES_MAX + 2] = "$";
    struct json_path_set *set = json_path_new();
    int taken = 0;

    (void)state;
    while (strlen(path) + 2 <= JSON_PATH_BYTES_MAX)
        memcpy(path + strlen(path), ".a", 3);
    assert_int_equal(strlen(path), JSON_PATH_BYTES_MAX - 1);
    while (add(set, path) == JSON_PATH_OK)
        taken++;
    assert_int_equal(taken, JSON_PATH_BITS / 100);
    assert_int_equal(add(set, path), JSON_PATH_TOO_MANY);
    assert_int_equal(add(set, "$.b"), JSON_PATH_OK);
    memcpy(path + strlen(path), ".a", 3);
    assert_int_equal(add(set, path), JSON_PATH_TOO_LONG);
    json_path_free(set);
}

/* What was found, each value in <>. */
static void collect(void *arg, struct json_slice value)
{
    char *out = arg;

    snprintf(out + strlen(out), 200 - strlen(out), "<%.*s>", (int)value.len, value.p);
}

static const struct {
    const char *paths, *text, *found;
    enum json_path_end how;
    int end; /* -1: the text's */
} walks[] = {
    {"$.a", "{\"a\":1,\"b\":2}", "<1>", JSON_PATH_WHOLE, -1},
    {"$.a", " { \"a\" : { \"a\" : 1 } } ", "<{ \"a\" : 1 }>", JSON_PATH_WHOLE, -1},
    {"$.a.b", "{\"a\":{\"b\":[1, 2]},\"b\":3}", "<[1, 2]>", JSON_PATH_WHOLE, -1},
    {"$..a", "{\"a\":1,\"b\":[{\"a\":2},{\"c\":{\"a\":3}}]}", "<1><2><3>", JSON_PATH_WHOLE, -1},
    {"$..a.b", "{\"a\":{\"a\":{\"b\":1}}}", "<1>", JSON_PATH_WHOLE, -1},
    {"$.a[*].b", "{\"a\":[{\"b\":1},2,{\"b\":3}]}", "<1><3>", JSON_PATH_WHOLE, -1},
    {"$[1]", "[1,2,3]", "<2>", JSON_PATH_WHOLE, -1},
    {"$[1]", "{\"1\":2}", "", JSON_PATH_WHOLE, -1},
    {"$['1']", "[1,2]", "", JSON_PATH_WHOLE, -1},
    {"$.*", "{\"a\":1,\"b\":[2]}", "<1><[2]>", JSON_PATH_WHOLE, -1},
    {"$", "\"x\"", "<\"x\">", JSON_PATH_WHOLE, -1},
    {"$.a $.b $..c", "{\"c\":1,\"b\":2,\"a\":3}", "<1><2><3>", JSON_PATH_WHOLE, -1},
    {"$.a $.a.b", "{\"a\":{\"b\":1}}", "<{\"b\":1}>", JSON_PATH_WHOLE, -1},
    /* names are compared decoded, twins are both found, and only whole names */
    {"$.password", "{\"pass\\u0077ord\":1}", "<1>", JSON_PATH_WHOLE, -1},
    {"$['\\u00fc']", "{\"\xc3\xbc\":1,\"\\u00FC\":2}", "<1><2>", JSON_PATH_WHOLE, -1},
    {"$.a", "{\"a\":1,\"a\":2}", "<1><2>", JSON_PATH_WHOLE, -1},
    {"$.a", "{\"A\":1,\"ab\":2,\"\":3,\"\\ud800\":4}", "", JSON_PATH_WHOLE, -1},
    {"$['']", "{\"\":3}", "<3>", JSON_PATH_WHOLE, -1},
    {"$['a\\u0000bbbb']", "{\"a\\u0000bbbb\":1,\"a\\u0000bbbc\":2,\"a\":3}", "<1>", JSON_PATH_WHOLE,
     -1},
    {"$['a\\u0000b'] $['a\\u0000c']", "{\"a\\u0000c\":1,\"a\\u0000b\":2}", "<1><2>",
     JSON_PATH_WHOLE, -1},
    {"$.a", "{}", "", JSON_PATH_WHOLE, -1},
    {"$.a", "7", "", JSON_PATH_WHOLE, -1},
    /* cut off: all that is there is found */
    {"$.a", "{\"a\":\"secr", "<\"secr>", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "{\"a\":{\"x\":[1,", "<{\"x\":[1,>", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "{\"a\":1", "<1>", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "{\"a\":", "", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "{\"a", "", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "{", "", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "", "", JSON_PATH_CUT_SHORT, -1},
    {"$.a", "{\"b\":{\"a\":1},", "", JSON_PATH_CUT_SHORT, -1},
    /* broken: up to there */
    {"$.a", "{\"a\":1 \"b\":2}", "<1>", JSON_PATH_MALFORMED, 7},
    {"$.a", "{'a':1}", "", JSON_PATH_MALFORMED, 1},
    {"$.a", "{\"b\" 1,\"a\":1}", "", JSON_PATH_MALFORMED, 5},
    {"$.a", "{\"b\":1,}", "", JSON_PATH_MALFORMED, 7},
    {"$[0]", "[1,]", "<1>", JSON_PATH_MALFORMED, 3},
    {"$.a", "[1}", "", JSON_PATH_MALFORMED, 2},
    {"$.a", "{\"b\":nil,\"a\":1}", "", JSON_PATH_MALFORMED, 6},
    {"$.a", "{\"a\":1}{\"a\":2}", "<1>", JSON_PATH_MALFORMED, 7},
    {"$.a", "{\"b\":\"\xff\",\"a\":1}", "", JSON_PATH_MALFORMED, 6},
    {"$.a", "{\"a\":[1,oops]}", "<[1,>", JSON_PATH_MALFORMED, 8},
    {"$.a", "<html>", "", JSON_PATH_MALFORMED, 0},
};

/* Paths are parted by spaces, which none of these has. */
static struct json_path_set *set_of(const char *paths)
{
    struct json_path_set *set = json_path_new();

    for (size_t n; *paths; paths += n + (paths[n] == ' ')) {
        n = strcspn(paths, " ");
        assert_int_equal(json_path_add(set, paths, n), JSON_PATH_OK);
    }
    return set;
}

static void paths_lead_to_their_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        char found[200] = "";
        size_t len = strlen(walks[i].text), end;
        struct json_path_set *set = set_of(walks[i].paths);
        enum json_path_end how = json_path_each(set, walks[i].text, len, &end, collect, found);

        if (how != walks[i].how || strcmp(found, walks[i].found) != 0 ||
            end != (walks[i].end < 0 ? len : (size_t)walks[i].end))
            fail_msg("%s in %s: found %s, how %d, end %zu", walks[i].paths, walks[i].text, found,
                     (int)how, end);
        json_path_free(set);
    }
}

/* The automaton's words: a path that begins in one and ends in the next, behind others that do not match. */
static void every_bit_of_a_set_works(void **state)
{
    for (size_t filler = 0; filler < 3; filler++) {
        struct json_path_set *set = json_path_new();
        char path[40];
        int n = 0;

        (void)state;
        if (filler)
            assert_int_equal(add(set, filler == 1 ? "$" : "$.q"), JSON_PATH_OK);
        for (;; n++) {
            snprintf(path, sizeof path, "$.x%d.y[*].z", n);
            if (add(set, path) != JSON_PATH_OK)
                break;
        }
        assert_true(n > 95);
        for (int i = 0; filler != 1 && i < n; i++) {
            char text[60], found[200] = "";
            size_t end;

            snprintf(text, sizeof text, "{\"x%d\":{\"y\":[0,{\"z\":5}]}}", i);
            assert_int_equal(json_path_each(set, text, strlen(text), &end, collect, found),
                             JSON_PATH_WHOLE);
            assert_string_equal(found, "<5>");
        }
        json_path_free(set);
    }
}

/* Deeper than we go is malformed from there on, and hides nothing that it should not. */
static void depth_is_bounded(void **state)
{
    char text[3000];
    size_t end;
    char found[200] = "";
    struct json_path_set *set = set_of("$..a");

    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(json_path_each(set, text, sizeof text, &end, collect, found),
                     JSON_PATH_MALFORMED);
    assert_int_equal(end, 512);
    json_path_free(set);
    set = set_of("$.a");
    assert_int_equal(json_path_each(set, text, sizeof text, &end, collect, found),
                     JSON_PATH_MALFORMED);
    assert_int_equal(end, 512);
    json_path_free(set);
}

/* Whatever the cut, nothing behind the text is read (the sanitizer watches) and what was found lies within it. */
static void every_beginning_of_a_text_is_read_within_it(void **state)
{
    static const char text[] =
        "{\"a\":[1,{\"b\":\"x\\u00e9\"}],\"c\":{\"a\":tru},\"\xc3\xbc\":-1.5e3}";
    struct json_path_set *set = set_of("$..b $.c $[*]");

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy = malloc(n + 1), found[200] = "";
        size_t end;

        memcpy(copy, text, n);
        (void)json_path_each(set, copy, n, &end, collect, found);
        assert_true(end <= n);
        free(copy);
    }
    json_path_free(set);
}

static const struct {
    const char *paths, *text;
    bool mentioned;
} mentions[] = {
    {"$.card.number", "<b>no such thing</b>", false},
    {"$.card.number", "card is not the last name", false},
    {"$.card.number", "Number: 4111", true},
    {"$.items[*]", "items: x", true},
    {"$.items[*]", "nothing", false},
    {"$['a\\u0000bbbb']", "a is not its name", false},
    {"$[*]", "nothing", true},
    {"$", "nothing", true},
    {"$['']", "nothing", true},
    {"$.password", "pass\\u0077ord", true},
    {"$.a", "", false},
    {"", "anything", false},
};

static void names_are_found_in_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mentions / sizeof *mentions; i++) {
        struct json_path_set *set = set_of(mentions[i].paths);

        if (json_path_mentioned(set, mentions[i].text, strlen(mentions[i].text)) !=
            mentions[i].mentioned)
            fail_msg("%s in %s", mentions[i].paths, mentions[i].text);
        json_path_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_understood_is_taken),
        cmocka_unit_test(long_paths_and_large_sets_are_refused),
        cmocka_unit_test(paths_lead_to_their_values),
        cmocka_unit_test(every_bit_of_a_set_works),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(every_beginning_of_a_text_is_read_within_it),
        cmocka_unit_test(names_are_found_in_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
