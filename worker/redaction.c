/*
 * See redaction.h. Owns the table of rules in use. It must never let something pass because rules could not be read or
 * memory was short: then all of it is hidden. A crash leaves nothing.
 */
#include "worker/redaction.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/json_path.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/redact_body.h"

#define SLOTS 256

struct redaction {
    int32_t project_id;
    int uses; /* destinations */
    bool everything;
    char *text; /* as the database has it */
    const char *headers[LIMIT_REDACTION_RULES + 1];
    json_t *names; /* whose strings `headers` borrows */
    struct json_path_set *paths;
    bool has_paths;
    struct redaction *next;
};

static struct redaction *table[SLOTS];
static struct redaction everything = {.everything = true};

static struct redaction **slot_of(int32_t project_id)
{
    return &table[(uint32_t)project_id % SLOTS];
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static void release(struct redaction *r)
{
    json_path_free(r->paths);
    json_decref(r->names);
    free(r->text);
    free(r);
}

static int read_headers(struct redaction *r, json_t *names)
{
    size_t i, n = 0;
    json_t *name;
    if (!json_is_array(names) || json_array_size(names) > LIMIT_REDACTION_RULES)
        return -1;
    r->names = json_incref(names);
    json_array_foreach(names, i, name)
    {
        if (!json_is_string(name))
            return -1;
        r->headers[n++] = json_string_value(name);
    }
    return 0;
}

static int read_paths(struct redaction *r, const json_t *paths)
{
    size_t i;
    json_t *path;
    if (!json_is_array(paths) || !r->paths)
        return -1;
    json_array_foreach(paths, i, path)
    {
        if (!json_is_string(path) || json_path_add(r->paths, json_string_value(path),
                                                   json_string_length(path)) != JSON_PATH_OK)
            return -1;
        r->has_paths = true;
    }
    return 0;
}

static struct redaction *compile(int32_t project_id, const char *text)
{
    struct redaction *r = calloc(1, sizeof *r);
    json_t *rules = json_loads(text, 0, NULL);
    if (r) {
        r->project_id = project_id;
        r->text = strdup(text);
        r->paths = json_path_new();
    }
    if (r && (!r->text || read_headers(r, json_object_get(rules, "headers")) ||
              read_paths(r, json_object_get(rules, "jsonPaths")))) {
        release(r);
        r = NULL;
    }
    json_decref(rules);
    return r;
}

struct redaction *redaction_take(int32_t project_id, const char *json)
{
    struct redaction **slot = slot_of(project_id), *r = *slot;
    if (!json)
        return NULL;
    while (r && (r->project_id != project_id || strcmp(r->text, json) != 0))
        r = r->next;
    if (!r) {
        r = compile(project_id, json);
        if (!r) {
            log_error("project %d: its redaction rules cannot be read, so everything is hidden",
                      (int)project_id);
            return &everything;
        }
        r->next = *slot;
        *slot = r;
    }
    r->uses++;
    return r;
}

void redaction_drop(struct redaction *r)
{
    if (!r || r->everything || --r->uses > 0)
        return;
    for (struct redaction **p = slot_of(r->project_id); *p; p = &(*p)->next)
        if (*p == r) {
            *p = r->next;
            break;
        }
    release(r);
}

/* --- an attempt --------------------------------------------------------------------------------------------------- */

/* Lines of headers, UTF-8 already. Without memory they are gone. */
static void hide_headers(const struct redaction *r, struct buf *lines)
{
    struct buf clean;
    size_t cap = 2 * LIMIT_RESPONSE_HEADERS_BYTES;
    buf_init(&clean, cap);
    char *to = r->everything || !lines->len ? NULL : buf_reserve(&clean, cap);
    if (to)
        buf_grown(&clean, redact_headers(lines->data, lines->len, r->headers, to, cap));
    buf_release(lines);
    *lines = clean;
}

static void hide_body(const struct redaction *r, struct attempt *a)
{
    struct buf clean;
    if (!a->response_body.len)
        return;
    buf_init(&clean, LIMIT_RESPONSE_FAILURE_BYTES);
    if (r->everything)
        buf_add_str(&clean, REDACT_MARK);
    else if (!redact_body(r->paths, a->response_body.data, a->response_body.len, &clean))
        a->truncated = true;
    buf_release(&a->response_body);
    a->response_body = clean;
}

void redaction_apply(const struct redaction *r, struct attempt *a)
{
    if (!r)
        return;
    if (r->everything || r->headers[0]) {
        hide_headers(r, &a->request_headers);
        hide_headers(r, &a->response_headers);
    }
    if (r->everything || r->has_paths)
        hide_body(r, a);
}

static void note(void *arg, struct json_slice value)
{
    (void)value;
    *(bool *)arg = true;
}

const char *redaction_sentence(const struct redaction *r, const void *payload, size_t n,
                               const char *said)
{
    bool hides = r && r->everything;
    size_t end;
    if (r && r->has_paths)
        (void)json_path_each(r->paths, payload, n, &end, note, &hides);
    return hides ? "the transform failed; what it said is " REDACT_MARK
                   ", as it was given values that the project hides"
                 : said;
}
