/* See uri_reference.h. Owns nothing, allocates nothing. */
#include "common/uri_reference.h"

#include <stdbool.h>
#include <string.h>

struct part {
    const char *p;
    size_t n;
    bool has; /* present, even if empty */
};

struct uri {
    struct part scheme, authority, path, query, fragment;
};

static struct part upto(const char *p, const char *stops)
{
    return (struct part){p, strcspn(p, stops), true};
}

/* RFC 3986 appendix B. Parts stand without their delimiters. */
static struct uri split(const char *text)
{
    struct uri u = {0};
    struct part head = upto(text, ":/?#");
    if (head.n && text[head.n] == ':') {
        u.scheme = head;
        text += head.n + 1;
    }
    if (strncmp(text, "//", 2) == 0) {
        u.authority = upto(text + 2, "/?#");
        text += 2 + u.authority.n;
    }
    u.path = upto(text, "?#");
    text += u.path.n;
    if (*text == '?') {
        u.query = upto(text + 1, "#");
        text += 1 + u.query.n;
    }
    if (*text == '#')
        u.fragment = upto(text + 1, "");
    return u;
}

struct text {
    char *p;
    size_t n, cap;
    bool failed;
};

static void add(struct text *out, const char *p, size_t n)
{
    if (n >= out->cap - out->n) {
        out->failed = true;
        return;
    }
    memcpy(out->p + out->n, p, n);
    out->n += n;
    out->p[out->n] = '\0';
}

static void add_part(struct text *out, const char *before, struct part part, const char *after)
{
    if (!part.has)
        return;
    add(out, before, strlen(before));
    add(out, part.p, part.n);
    add(out, after, strlen(after));
}

/* Back over the last segment of what lies behind `start`, its "/" included. */
static void drop_segment(struct text *out, size_t start)
{
    while (out->n > start && out->p[--out->n] != '/')
        ;
    out->p[out->n] = '\0';
}

static bool starts(const char *p, const char *end, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(end - p) >= n && memcmp(p, with, n) == 0;
}

static bool is(const char *p, const char *end, const char *text)
{
    return (size_t)(end - p) == strlen(text) && starts(p, end, text);
}

/* RFC 3986 section 5.2.4: appends the path without its dot segments. */
static void add_without_dots(struct text *out, const char *p, const char *end)
{
    size_t start = out->n;
    while (p < end && !out->failed) {
        if (starts(p, end, "../") || starts(p, end, "./")) {
            p += *(p + 1) == '.' ? 3 : 2;
        } else if (is(p, end, ".") || is(p, end, "..")) {
            p = end;
        } else if (starts(p, end, "/./") || starts(p, end, "/../")) {
            if (p[2] == '.')
                drop_segment(out, start);
            p += p[2] == '.' ? 3 : 2;
        } else if (is(p, end, "/.") || is(p, end, "/..")) {
            if (end - p == 3)
                drop_segment(out, start);
            add(out, "/", 1);
            p = end;
        } else {
            size_t n = 1;
            while (p + n < end && p[n] != '/')
                n++;
            add(out, p, n);
            p += n;
        }
    }
}

/* RFC 3986 section 5.2.3. */
static void add_merged(struct text *out, const struct uri *base, const struct uri *reference)
{
    char merged[2 * URI_REFERENCE_MAX];
    struct text m = {merged, 0, sizeof merged, false};
    size_t n = base->path.n;
    merged[0] = '\0';
    while (n > 0 && base->path.p[n - 1] != '/')
        n--;
    if (base->authority.has && base->path.n == 0)
        add(&m, "/", 1);
    add(&m, base->path.p, n);
    add(&m, reference->path.p, reference->path.n);
    if (m.failed)
        out->failed = true;
    add_without_dots(out, merged, merged + m.n);
}

static void add_path(struct text *out, const struct uri *base, const struct uri *r)
{
    const char *p = r->path.p;
    if (r->scheme.has || r->authority.has || (r->path.n && *p == '/'))
        add_without_dots(out, p, p + r->path.n);
    else if (r->path.n == 0)
        add(out, base->path.p, base->path.n);
    else
        add_merged(out, base, r);
}

int uri_reference_resolve(const char *base_text, const char *reference, char *out, size_t cap)
{
    struct text t = {out, 0, cap, false};
    struct uri r = split(reference), base = split(base_text);
    bool own = r.scheme.has || r.authority.has;
    out[0] = '\0';
    add_part(&t, "", r.scheme.has ? r.scheme : base.scheme, ":");
    add_part(&t, "//", own ? r.authority : base.authority, "");
    add_path(&t, &base, &r);
    add_part(&t, "?", own || r.path.n || r.query.has ? r.query : base.query, "");
    add_part(&t, "#", r.fragment, "");
    return t.failed ? -1 : 0;
}
