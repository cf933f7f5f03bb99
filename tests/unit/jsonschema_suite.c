/*
 * jsonschema_suite: runs the validator over the required tests of the JSON-Schema-Test-Suite.
 *
 * The validator fetches nothing, so a case that refers to the suite's remote documents gets them bundled (2020-12 core
 * section 9.3): as definitions, each with the $id that is its address. A document that already has another $id cannot be
 * bundled; the cases that need it are exceptions.
 *
 * Arguments: the suite's directory, and a file of exceptions: "draft/file: case" or "draft/file: case: test" a
 * line, "#" begins a comment. A test of an exception must not pass: a line that is no longer needed fails, and so does
 * one that names nothing. Prints what went wrong and, last, "N passed, N failed"; what is excepted is counted before.
 */
#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/json_schema.h"

#define EXCEPTIONS_MAX 200
#define ADDRESS "http://localhost:1234/"
#define TREE_FILES 16

struct draft {
    const char *name, *dialect, *definitions;
};
static const struct draft drafts[] = {
    {"draft7", "http://json-schema.org/draft-07/schema#", "definitions"},
    {"draft2020-12", "https://json-schema.org/draft/2020-12/schema", "$defs"}};

struct exception {
    char name[400];
    int met, passed;
};
static struct exception exceptions[EXCEPTIONS_MAX];
static int nexceptions, passed, failed, excepted, bundled;

static void read_exceptions(const char *path)
{
    char line[400];
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && nexceptions < EXCEPTIONS_MAX) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] && line[0] != '#')
            snprintf(exceptions[nexceptions++].name, sizeof line, "%s", line);
    }
    if (f)
        fclose(f);
}

static struct exception *find_exception(const char *name)
{
    for (int i = 0; i < nexceptions; i++) {
        size_t n = strlen(exceptions[i].name);
        if (strncmp(exceptions[i].name, name, n) == 0 && (name[n] == '\0' || name[n] == ':'))
            return &exceptions[i];
    }
    return NULL;
}

static void count(const char *name, bool ok, const char *why)
{
    struct exception *e = find_exception(name);
    if (e) {
        e->met++;
        e->passed += ok;
        excepted++;
    } else if (ok) {
        passed++;
    } else {
        failed++;
        printf("%s: %s\n", name, why);
    }
}

static void run_test(const char *case_name, const struct json_schema *schema, const json_t *test,
                     const char *no_schema)
{
    char name[400];
    struct json_schema_problem why = {"", ""};
    bool valid = json_is_true(json_object_get(test, "valid"));
    snprintf(name, sizeof name, "%s: %s", case_name,
             json_string_value(json_object_get(test, "description")));
    if (!schema) {
        count(name, false, no_schema);
        return;
    }
    char *data = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY);
    enum json_schema_result r = json_schema_check(schema, data, strlen(data), &why);
    count(name, r == (valid ? JSON_SCHEMA_OK : JSON_SCHEMA_INVALID),
          r == JSON_SCHEMA_OK ? "was found valid" : why.detail);
    free(data);
}

/* --- the remote documents --- */

static json_t *remotes; /* by address, of the draft that is run */
static const struct draft *running;
static size_t remotes_path;

/* The draft's own directory and what lies beside the drafts' directories, but nothing of another draft. */
static bool is_ours(const char *name)
{
    return strncmp(name, "draft", 5) != 0 ||
           (strncmp(name, running->name, strlen(running->name)) == 0 &&
            name[strlen(running->name)] == '/');
}

static int take_remote(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    char address[1024];
    const char *name = path + remotes_path;
    (void)st;
    (void)at;
    json_t *json = kind == FTW_F && is_ours(name) ? json_load_file(path, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(json, "$id"));
    const char *dialect = json_string_value(json_object_get(json, "$schema"));
    snprintf(address, sizeof address, "%s%s", ADDRESS, name);
    if (json_is_object(json) && (!id || strcmp(id, address) == 0) &&
        (!dialect || strcmp(dialect, running->dialect) == 0)) {
        json_object_set_new(json, "$id", json_string(address));
        json_object_set(remotes, address, json);
    }
    json_decref(json);
    return 0;
}

static void read_remotes(const char *suite)
{
    char path[512];
    snprintf(path, sizeof path, "%s/remotes/", suite);
    remotes_path = strlen(path);
    remotes = json_object();
    nftw(path, take_remote, TREE_FILES, FTW_PHYS);
}

/* Puts in the document that the problem misses. False: it misses none, or none that can be bundled. */
static bool bundle(json_t *schema, const struct json_schema_problem *why)
{
    const char *missed = strstr(why->detail, ADDRESS);
    json_t *remote = json_is_object(schema) && missed ? json_object_get(remotes, missed) : NULL;
    json_t *definitions = json_object_get(schema, running->definitions);
    if (!remote || json_object_get(definitions, missed))
        return false;
    if (!definitions) {
        definitions = json_object();
        json_object_set_new(schema, running->definitions, definitions);
    }
    return json_object_set(definitions, missed, remote) == 0;
}

static struct json_schema *compile(const json_t *json, struct json_schema_problem *why)
{
    struct json_schema *schema = NULL;
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    if (json_schema_new(text, strlen(text), &schema, why) < 0)
        schema = NULL;
    free(text);
    return schema;
}

/* The tests of a directory are of its draft, also where they do not say so. */
static struct json_schema *make_schema(const json_t *one, struct json_schema_problem *why)
{
    json_t *json = json_deep_copy(json_object_get(one, "schema"));
    if (json_is_object(json) && !json_object_get(json, "$schema"))
        json_object_set_new(json, "$schema", json_string(running->dialect));
    int rounds = 0;
    struct json_schema *schema = compile(json, why);
    while (!schema && bundle(json, why)) {
        schema = compile(json, why);
        rounds++;
    }
    bundled += schema && rounds;
    json_decref(json);
    return schema;
}

static void run_case(const char *file, const json_t *one)
{
    size_t i;
    json_t *test;
    char name[400];
    struct json_schema_problem why = {"", ""};
    struct json_schema *schema = make_schema(one, &why);
    snprintf(name, sizeof name, "%s: %s", file,
             json_string_value(json_object_get(one, "description")));
    json_array_foreach(json_object_get(one, "tests"), i, test)
        run_test(name, schema, test, why.detail);
    json_schema_free(schema);
}

static int is_json(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".json") == 0;
}

static void run_file(const char *path, const char *name)
{
    size_t i;
    json_t *one;
    json_error_t error;
    json_t *cases = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!cases) {
        failed++;
        printf("%s: %s\n", name, error.text);
    }
    json_array_foreach(cases, i, one) run_case(name, one);
    json_decref(cases);
}

static void run_draft(const char *suite)
{
    char dir[512], path[1024], name[300];
    struct dirent **entries;
    read_remotes(suite);
    snprintf(dir, sizeof dir, "%s/tests/%s", suite, running->name);
    int n = scandir(dir, &entries, is_json, alphasort);
    failed += n <= 0;
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        snprintf(name, sizeof name, "%s/%.250s", running->name, entries[i]->d_name);
        run_file(path, name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    json_decref(remotes);
}

/* An exception whose tests all pass hides nothing but the next failure. */
static void judge_exceptions(void)
{
    for (int i = 0; i < nexceptions; i++)
        if (exceptions[i].met == exceptions[i].passed) {
            failed++;
            printf("%s: %s\n", exceptions[i].name,
                   exceptions[i].met ? "excepted, and passes" : "excepted, and is not there");
        }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: jsonschema_suite DIRECTORY EXCEPTIONS\n");
        return 2;
    }
    read_exceptions(argv[2]);
    for (size_t i = 0; i < sizeof drafts / sizeof *drafts; i++) {
        running = &drafts[i];
        run_draft(argv[1]);
    }
    judge_exceptions();
    printf("%d cases with remote documents bundled; %d tests excepted by name, in %d lines\n",
           bundled, excepted, nexceptions);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
