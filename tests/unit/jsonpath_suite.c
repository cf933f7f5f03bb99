/*
 * jsonpath_suite: runs json_path over the official compliance test suite of RFC 9535.
 *
 * What is invalid must be refused. What is valid and beyond what is taken here (seen by the signs of a filter, a slice, a
 * list, an index from the end) must be refused as unsupported, and is counted apart. Of the rest, hiding what the path
 * leads to (redact_body) must leave the document that one gets by hiding each of the suite's `result_paths`.
 *
 * Argument: cts.json. Prints what went wrong, what is not applicable and, last, "N passed, N failed".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/json_path.h"
#include "common/redact.h"
#include "common/redact_body.h"

static int passed, failed, apart;

static void count(const json_t *test, const char *why)
{
    passed += why == NULL;
    failed += why != NULL;
    if (why)
        printf("%s: %s: %s\n", json_string_value(json_object_get(test, "name")),
               json_string_value(json_object_get(test, "selector")), why);
}

/* Signs of what is not taken, outside of names between quotes. */
static bool is_beyond(const char *path)
{
    char quote = '\0';
    for (; *path; path++) {
        if (quote && *path == '\\' && path[1])
            path++;
        else if (quote)
            quote = *path == quote ? '\0' : quote;
        else if (*path == '\'' || *path == '"')
            quote = *path;
        else if (strchr("?,:-", *path))
            return true;
    }
    return false;
}

/* Behind "['": the name as JSON (a normalized path escapes as JSON does, but for the quotes), and where it ends. */
static json_t *normalized_name(const char **p)
{
    char text[600] = "\"";
    size_t n = 1;
    for (; **p != '\''; (*p)++) {
        if (**p == '"' || (**p == '\\' && (*p)[1] != '\''))
            text[n++] = '\\';
        if (**p == '\\')
            (*p)++;
        text[n++] = **p;
    }
    text[n++] = '"';
    *p += 2;
    return json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* Hides what one normalized path (RFC 9535 section 2.7) leads to; what is in something hidden already is gone. */
static void hide(json_t **document, const char *path)
{
    json_t *at = *document, *up = NULL, *name = NULL;
    size_t index = 0;
    path++; /* $ */
    while (*path && at) {
        json_decref(name);
        name = NULL;
        up = at;
        if (path[1] == '\'') {
            path += 2;
            name = normalized_name(&path);
            at = json_object_getn(up, json_string_value(name), json_string_length(name));
        } else {
            index = strtoul(path + 1, (char **)&path, 10);
            path++;
            at = json_array_get(up, index);
        }
    }
    if (at && !up) {
        json_decref(*document);
        *document = json_string(REDACT_MARK);
    } else if (at && name) {
        json_object_setn_new(up, json_string_value(name), json_string_length(name),
                             json_string(REDACT_MARK));
    } else if (at) {
        json_array_set_new(up, index, json_string(REDACT_MARK));
    }
    json_decref(name);
}

static json_t *expected(const json_t *test, const json_t *paths)
{
    json_t *document = json_deep_copy(json_object_get(test, "document"));
    size_t i;
    json_t *path;
    json_array_foreach((json_t *)paths, i, path) hide(&document, json_string_value(path));
    return document;
}

static json_t *got(const json_t *test, const struct json_path_set *set)
{
    struct buf out;
    char *text = json_dumps(json_object_get(test, "document"), JSON_ENCODE_ANY);
    buf_init(&out, 1 << 20);
    redact_body(set, text, strlen(text), &out);
    json_t *json = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    buf_release(&out);
    free(text);
    return json;
}

static void run_valid(const json_t *test, const struct json_path_set *set)
{
    json_t *paths = json_object_get(test, "result_paths");
    if (!paths)
        paths = json_array_get(json_object_get(test, "results_paths"), 0);
    json_t *want = expected(test, paths), *have = got(test, set);
    count(test, !paths                   ? "no paths to compare with"
                : json_equal(want, have) ? NULL
                                         : "leads elsewhere");
    json_decref(want);
    json_decref(have);
}

static void run(const json_t *test)
{
    const json_t *selector = json_object_get(test, "selector");
    const char *path = json_string_value(selector);
    struct json_path_set *set = json_path_new();
    enum json_path_result result = json_path_add(set, path, json_string_length(selector));
    if (json_is_true(json_object_get(test, "invalid_selector"))) {
        count(test, result == JSON_PATH_SYNTAX || result == JSON_PATH_UNSUPPORTED ? NULL : "taken");
    } else if (result == JSON_PATH_UNSUPPORTED && is_beyond(path)) {
        apart++;
    } else if (result != JSON_PATH_OK) {
        count(test, json_path_why(result));
    } else {
        run_valid(test, set);
    }
    json_path_free(set);
}

int main(int argc, char **argv)
{
    json_t *suite = argc == 2 ? json_load_file(argv[1], JSON_ALLOW_NUL, NULL) : NULL;
    const json_t *tests = json_object_get(suite, "tests");
    for (size_t i = 0; i < json_array_size(tests); i++)
        run(json_array_get(tests, i));
    json_decref(suite);
    printf("not applicable (filters, slices, lists, indexes from the end): %d\n", apart);
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
