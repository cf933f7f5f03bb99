/*
 * redact_body: a copy of a body with its hidden values left out.
 *
 * Owns nothing. It must never let a value through because the text around it is cut or broken: what is doubtful is
 * hidden. It cannot fail, only keep less. A crash leaves nothing.
 */
#include "common/redact_body.h"

#include <string.h>

#include "common/redact.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define UTF8_REST 3 /* bytes of a character whose last one was cut off */

struct copy {
    struct buf *out;
    const char *from; /* what lies before it was dealt with */
    bool whole;
};

static void put(struct copy *c, const char *p, size_t n)
{
    size_t room = c->out->cap - c->out->len;

    buf_add(c->out, p, n < room ? n : room);
    c->whole = c->whole && n <= room && !c->out->failed;
}

static void put_until(struct copy *c, const char *end)
{
    put(c, c->from, (size_t)(end - c->from));
    c->from = end;
}

static void put_mark(struct copy *c)
{
    put(c, REDACT_MARK, sizeof REDACT_MARK - 1);
}

static void hide(void *arg, struct json_slice value)
{
    struct copy *c = arg;

    put_until(c, value.p);
    put(c, "\"" REDACT_MARK "\"", sizeof REDACT_MARK + 1);
    c->from = value.p + value.len;
}

static bool begins_as_json(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
        i++;
    return i < n && (p[i] == '{' || p[i] == '[');
}

static void put_text(struct copy *c, const struct json_path_set *paths, const char *in, size_t n)
{
    if (redact_utf8_length(in, n) + UTF8_REST < n || json_path_mentioned(paths, in, n))
        put_mark(c);
    else
        put(c, in, n);
}

bool redact_body(const struct json_path_set *paths, const char *in, size_t n, struct buf *out)
{
    struct copy c = {.out = out, .from = in, .whole = true};
    size_t before = out->len, end;
    size_t skipped = n >= 3 && memcmp(in, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0;
    const char *json = in + skipped;
    enum json_path_end what = json_path_each(paths, json, n - skipped, &end, hide, &c);

    if (what != JSON_PATH_WHOLE && !begins_as_json(json, n - skipped)) {
        out->len = before;
        c.whole = true;
        put_text(&c, paths, in, n);
        return c.whole;
    }
    put_until(&c, json + end);
    if (what == JSON_PATH_MALFORMED)
        put_mark(&c);
    return c.whole;
}
