/* See body_diff.h. Memory only; owns the comparison. Must never take longer than its bounds allow, whatever the texts. */
#include "fcgi/body_diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/limits.h"

struct changes {
    json_t *list;
    bool truncated;
};

/* Takes the reference. */
static void add(struct changes *c, json_t *change)
{
    if (json_array_size(c->list) < LIMIT_DIFF_CHANGES) {
        json_array_append_new(c->list, change);
        return;
    }
    c->truncated = true;
    json_decref(change);
}

/* --- JSON ----------------------------------------------------------------------------------------------------------- */

static void compare(struct changes *c, struct buf *path, const json_t *a, const json_t *b);

static json_t *shared(const json_t *value)
{
    return json_incref((json_t *)value);
}

static void tell(struct changes *c, const struct buf *path, const json_t *a, const json_t *b)
{
    json_t *change = json_pack("{s:s, s:s}", "op",
                               !a   ? "added"
                               : !b ? "removed"
                                    : "changed",
                               "path", path->data ? path->data : "");
    if (a)
        json_object_set_new(change, "a", shared(a));
    if (b)
        json_object_set_new(change, "b", shared(b));
    add(c, change);
}

/* A step down (RFC 6901: '~' is ~0 and '/' is ~1), the comparison there, and back. */
static void step(struct changes *c, struct buf *path, const char *name, const json_t *a,
                 const json_t *b)
{
    size_t before = path->len;
    buf_add_char(path, '/');
    for (const char *p = name; *p; p++)
        if (*p == '~' || *p == '/')
            buf_add_str(path, *p == '~' ? "~0" : "~1");
        else
            buf_add_char(path, *p);
    if (a && b)
        compare(c, path, a, b);
    else
        tell(c, path, a, b);
    path->len = before;
    path->data[before] = '\0';
}

static void compare_objects(struct changes *c, struct buf *path, const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)a, name, value)
        step(c, path, name, value, json_object_get(b, name));
    json_object_foreach((json_t *)b, name, value) if (!json_object_get(a, name))
        step(c, path, name, NULL, value);
}

static void compare_arrays(struct changes *c, struct buf *path, const json_t *a, const json_t *b)
{
    size_t n = json_array_size(a), m = json_array_size(b);
    for (size_t i = 0; i < n || i < m; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        step(c, path, name, json_array_get(a, i), json_array_get(b, i));
    }
}

static void compare(struct changes *c, struct buf *path, const json_t *a, const json_t *b)
{
    if (c->truncated || path->failed)
        return;
    if (json_is_object(a) && json_is_object(b))
        compare_objects(c, path, a, b);
    else if (json_is_array(a) && json_is_array(b))
        compare_arrays(c, path, a, b);
    else if (!json_equal(a, b))
        tell(c, path, a, b);
}

/* --- lines ---------------------------------------------------------------------------------------------------------- */

struct line {
    const char *p;
    size_t n;
};

struct lines {
    struct line *line;
    size_t n;
};

static bool split(const char *text, struct lines *out)
{
    size_t n = 1;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    out->line = calloc(n, sizeof *out->line);
    out->n = 0;
    while (out->line && *text) {
        size_t len = strcspn(text, "\n");
        out->line[out->n++] = (struct line){text, len};
        text += len + (text[len] == '\n');
    }
    return out->line != NULL;
}

static bool same(struct line a, struct line b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void tell_line(struct changes *c, const char *op, const struct lines *of, size_t i)
{
    add(c, json_pack("{s:s, s:I, s:s%}", "op", op, "line", (json_int_t)i + 1, "text", of->line[i].p,
                     of->line[i].n));
}

/* Lines [lo, hi) of either side that differ. */
struct middle {
    const struct lines *a, *b;
    size_t lo, a_hi, b_hi;
};

/* table[i][j]: the longest common subsequence of a from i and b from j. */
static void tell_middle(struct changes *c, const struct middle *m, const uint16_t *table,
                        size_t width)
{
    size_t i = m->lo, j = m->lo;
    while (i < m->a_hi || j < m->b_hi) {
        bool both = i < m->a_hi && j < m->b_hi;
        const uint16_t *at = table + (i - m->lo) * width + (j - m->lo);
        if (both && same(m->a->line[i], m->b->line[j])) {
            i++;
            j++;
        } else if (i < m->a_hi && (!both || at[width] >= at[1])) {
            tell_line(c, "removed", m->a, i++);
        } else {
            tell_line(c, "added", m->b, j++);
        }
    }
}

static void compare_middle(struct changes *c, const struct middle *m)
{
    size_t n = m->a_hi - m->lo, width = m->b_hi - m->lo + 1;
    bool small = (n + 1) * width <= LIMIT_DIFF_CELLS;
    /* without a table nothing is common: one block goes, one comes */
    uint16_t *table = small ? calloc((n + 1) * width, sizeof *table) : NULL;
    for (size_t i = n; table && i-- > 0;)
        for (size_t j = width - 1; j-- > 0;) {
            uint16_t *at = table + i * width + j;
            *at = same(m->a->line[m->lo + i], m->b->line[m->lo + j]) ? (uint16_t)(at[width + 1] + 1)
                  : at[width] > at[1]                                ? at[width]
                                                                     : at[1];
        }
    if (table) {
        tell_middle(c, m, table, width);
    } else {
        for (size_t i = m->lo; i < m->a_hi; i++)
            tell_line(c, "removed", m->a, i);
        for (size_t j = m->lo; j < m->b_hi; j++)
            tell_line(c, "added", m->b, j);
    }
    free(table);
}

static void compare_lines(struct changes *c, const char *a, const char *b)
{
    struct lines x = {0}, y = {0};
    if (split(a, &x) && split(b, &y)) {
        struct middle m = {&x, &y, 0, x.n, y.n};
        while (m.lo < x.n && m.lo < y.n && same(x.line[m.lo], y.line[m.lo]))
            m.lo++;
        while (m.a_hi > m.lo && m.b_hi > m.lo && same(x.line[m.a_hi - 1], y.line[m.b_hi - 1])) {
            m.a_hi--;
            m.b_hi--;
        }
        compare_middle(c, &m);
    }
    free(x.line);
    free(y.line);
}

/* --- both ----------------------------------------------------------------------------------------------------------- */

/* Only containers count as JSON: a page that says "503" is text. */
static json_t *parse(const char *text)
{
    return json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

json_t *body_diff(const char *a, const char *b)
{
    struct buf path;
    struct changes c = {.list = json_array()};
    json_t *x = parse(a), *y = parse(b);
    bool json = x && y;
    buf_init(&path, 2 * LIMIT_RESPONSE_FAILURE_BYTES);
    if (json)
        compare(&c, &path, x, y);
    else
        compare_lines(&c, a, b);
    buf_release(&path);
    json_decref(x);
    json_decref(y);
    return json_pack("{s:s, s:b, s:o, s:b}", "kind", json ? "json" : "text", "equal",
                     json ? json_array_size(c.list) == 0 : strcmp(a, b) == 0, "changes", c.list,
                     "changesTruncated", c.truncated);
}
