/*
 * redact: copies that leave out what must not be kept.
 *
 * Owns nothing. It must never let a value through because its line was folded, its name oddly cased
 * or its end missing: what is doubtful is hidden. It cannot fail, only cut. A crash leaves nothing.
 */
#include "common/redact.h"

#include <string.h>
#include <strings.h>

static const char *const hidden_names[] = {
    "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", NULL,
};

/* The output of one copy: what does not fit is dropped, and everything after it. */
struct sink {
    char *out;
    size_t cap, n;
};

static void put(struct sink *s, const char *text, size_t len)
{
    size_t room = s->cap - 1 - s->n;

    if (len > room)
        len = room;
    memcpy(s->out + s->n, text, len);
    s->n += len;
}

static size_t finish(struct sink *s)
{
    s->out[s->n] = '\0';
    return s->n;
}

static bool is_among(const char *name, size_t len, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        if (strlen(*names) == len && strncasecmp(*names, name, len) == 0)
            return true;
    return false;
}

bool redact_header_hidden(const char *name, size_t len, const char *const *extra)
{
    return is_among(name, len, hidden_names) || is_among(name, len, extra);
}

/* ---- headers ---- */

/* The line's length without its end, and with it. */
static size_t line_length(const char *p, size_t n, size_t *with_end)
{
    const char *lf = memchr(p, '\n', n);
    size_t len = lf == NULL ? n : (size_t)(lf - p);

    *with_end = lf == NULL ? n : len + 1;
    return len > 0 && p[len - 1] == '\r' ? len - 1 : len;
}

static bool hides_value(const char *line, size_t len, const char *const *extra, size_t *name_len)
{
    const char *colon = memchr(line, ':', len);
    size_t name;

    if (colon == NULL)
        return false;
    name = *name_len = (size_t)(colon - line);
    while (name > 0 && (line[name - 1] == ' ' || line[name - 1] == '\t'))
        name--; /* "Cookie : x" is malformed, and a cookie */
    return redact_header_hidden(line, name, extra);
}

/* One line; *hiding says whether a folded line that follows belongs to a hidden value. */
static void put_header(struct sink *s, const char *line, size_t len, size_t with_end,
                       const char *const *extra, bool *hiding)
{
    bool folded = len > 0 && (line[0] == ' ' || line[0] == '\t');
    size_t name = 0;

    if (folded && *hiding)
        return;
    *hiding = !folded && hides_value(line, len, extra, &name);
    if (!*hiding) {
        put(s, line, with_end);
        return;
    }
    put(s, line, name + 1);
    put(s, " " REDACT_MARK, sizeof(" " REDACT_MARK) - 1);
    put(s, line + len, with_end - len);
}

size_t redact_headers(const char *in, size_t n, const char *const *extra, char *out, size_t cap)
{
    struct sink s = {out, cap, 0};
    bool hiding = false;
    size_t with_end;

    while (n > 0) {
        size_t len = line_length(in, n, &with_end);

        put_header(&s, in, len, with_end, extra, &hiding);
        in += with_end;
        n -= with_end;
    }
    return finish(&s);
}

/* ---- URLs ---- */

static size_t span_until(const char *p, size_t n, const char *stops)
{
    size_t i = 0;

    while (i < n && (p[i] == '\0' || strchr(stops, p[i]) == NULL))
        i++;
    return i;
}

/* "key=value" up to the next '&' or ';'; a key alone passes. */
static void put_parameter(struct sink *s, const char *p, size_t n)
{
    size_t key = span_until(p, n, "=");

    put(s, p, key);
    if (key < n)
        put(s, "=" REDACT_MARK, sizeof("=" REDACT_MARK) - 1);
}

static void put_query(struct sink *s, const char *p, size_t n)
{
    while (n > 0) {
        size_t len = span_until(p, n, "&;");

        put_parameter(s, p, len);
        p += len;
        n -= len;
        if (n > 0) {
            put(s, p++, 1);
            n--;
        }
    }
}

size_t redact_url(const char *in, size_t n, char *out, size_t cap)
{
    struct sink s = {out, cap, 0};
    size_t head = span_until(in, n, "?#");
    size_t query = 0;

    put(&s, in, head);
    if (head < n && in[head] == '?') {
        query = 1 + span_until(in + head + 1, n - head - 1, "#");
        put(&s, "?", 1);
        put_query(&s, in + head + 1, query - 1);
    }
    put(&s, in + head + query, n - head - query);
    return finish(&s);
}

/* ---- bytes ---- */

/* Length of the UTF-8 sequence at p (RFC 3629 section 4); 0 for a bad byte or NUL. */
static size_t utf8_at(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last, low, high, len;
    } forms[] = {
        {0x01, 0x7f, 0x80, 0xbf, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    size_t i = 0;

    while (i < sizeof(forms) / sizeof(forms[0]) && (*p < forms[i].first || *p > forms[i].last))
        i++;
    if (i == sizeof(forms) / sizeof(forms[0]) || left < forms[i].len)
        return 0;
    if (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
        return 0;
    for (size_t k = 2; k < forms[i].len; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    return forms[i].len;
}

size_t redact_to_utf8(const void *in, size_t n, char *out, size_t cap)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct sink s = {out, cap, 0};
    const unsigned char *p = in;

    while (n > 0) {
        size_t len = utf8_at(p, n);
        const char *from = len == 0 ? replacement : (const char *)p;
        size_t take = len == 0 ? sizeof(replacement) - 1 : len;

        if (s.cap - 1 - s.n < take)
            break;
        put(&s, from, take);
        p += len == 0 ? 1 : len;
        n -= len == 0 ? 1 : len;
    }
    return finish(&s);
}

size_t redact_utf8_length(const void *in, size_t n)
{
    const unsigned char *p = in;
    size_t at = 0, len = 1;

    while (at < n && len > 0) {
        len = utf8_at(p + at, n - at);
        at += len;
    }
    return at;
}
