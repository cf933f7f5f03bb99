/*
 * json_path_parse: by descent, one function for each rule of the grammar.
 *
 * Owns nothing. Names are brought into the form of JSON strings and left to json_scan, which is the one judge of UTF-8
 * and of escapes. It must never take a path for less than it says: what is not understood is refused whole.
 */
#include "common/json_path_parse.h"

#include <ctype.h>
#include <stdint.h>

#define INDEX_MAX ((INT64_C(1) << 53) - 1) /* RFC 9535 section 2.1: exact in I-JSON */

struct parser {
    const char *p, *end;
    struct json_path_parsed *out;
};

static void skip_blank(struct parser *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool take(struct parser *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

/* ---- names ---- */

/* A name as a JSON string, made longer at most by its quotes and their escapes. */
struct quoted {
    char text[2 * JSON_PATH_BYTES_MAX + 2];
    size_t n;
};

static void put(struct quoted *q, char c)
{
    q->text[q->n++] = c;
}

static enum json_path_result keep_name(struct parser *r, struct json_path_segment *s,
                                       const struct quoted *q)
{
    struct json_path_parsed *out = r->out;
    struct json_slice string = {q->text, q->n};
    struct json_limits scalar = {0};
    size_t end;

    s->kind = JSON_PATH_NAME;
    s->name = out->names + out->names_len;
    if (json_scan_skip(q->text, q->n, &scalar, &end, NULL) != JSON_SCAN_OK || end != q->n ||
        json_scan_text(string, out->names + out->names_len, sizeof out->names - out->names_len,
                       &s->name_len) != 0)
        return JSON_PATH_SYNTAX;
    out->names_len += s->name_len + 1;
    return JSON_PATH_OK;
}

/* What stands behind a backslash; between single quotes \' is an escape and \" is none. False: not an escape. */
static bool put_escape(struct quoted *q, char quote, char c)
{
    if (quote == '\'' && c == '"')
        return false;
    if (quote != '\'' || c != '\'')
        put(q, '\\');
    put(q, c);
    return true;
}

/* Behind the opening quote. */
static enum json_path_result quoted_name(struct parser *r, struct json_path_segment *s, char quote)
{
    struct quoted q = {.n = 0};

    put(&q, '"');
    for (; r->p < r->end && *r->p != quote; r->p++) {
        if (*r->p == '\\') {
            if (++r->p == r->end || !put_escape(&q, quote, *r->p))
                return JSON_PATH_SYNTAX;
            continue;
        }
        if (*r->p == '"')
            put(&q, '\\');
        put(&q, *r->p);
    }
    put(&q, '"');
    return take(r, quote) ? keep_name(r, s, &q) : JSON_PATH_SYNTAX;
}

static bool is_name_char(char c, bool first)
{
    unsigned char b = (unsigned char)c;

    return b >= 0x80 || b == '_' || isalpha(b) || (!first && isdigit(b));
}

static enum json_path_result short_name(struct parser *r, struct json_path_segment *s)
{
    struct quoted q = {.n = 0};

    put(&q, '"');
    while (r->p < r->end && is_name_char(*r->p, q.n == 1))
        put(&q, *r->p++);
    put(&q, '"');
    return q.n == 2 ? JSON_PATH_SYNTAX : keep_name(r, s, &q);
}

/* ---- the other selectors ---- */

static enum json_path_result number(struct parser *r, struct json_path_segment *s)
{
    uint64_t value = 0;
    const char *first = r->p;

    if (*r->p == '-')
        return JSON_PATH_UNSUPPORTED; /* from the end, which is not known on the way */
    for (; r->p < r->end && isdigit((unsigned char)*r->p); r->p++) {
        value = value * 10 + (uint64_t)(*r->p - '0');
        if (value > INDEX_MAX || (*first == '0' && r->p > first))
            return JSON_PATH_SYNTAX;
    }
    s->kind = JSON_PATH_INDEX;
    s->index = (size_t)value;
    return JSON_PATH_OK;
}

static enum json_path_result selector(struct parser *r, struct json_path_segment *s)
{
    if (take(r, '*')) {
        s->kind = JSON_PATH_ALL;
        return JSON_PATH_OK;
    }
    if (take(r, '\''))
        return quoted_name(r, s, '\'');
    if (take(r, '"'))
        return quoted_name(r, s, '"');
    if (r->p == r->end)
        return JSON_PATH_SYNTAX;
    if (*r->p == '-' || isdigit((unsigned char)*r->p))
        return number(r, s);
    return *r->p == '?' || *r->p == ':' ? JSON_PATH_UNSUPPORTED : JSON_PATH_SYNTAX;
}

/* Behind the bracket that opens. */
static enum json_path_result bracketed(struct parser *r, struct json_path_segment *s)
{
    enum json_path_result result;

    skip_blank(r);
    result = selector(r, s);
    if (result != JSON_PATH_OK)
        return result;
    skip_blank(r);
    if (take(r, ']'))
        return JSON_PATH_OK;
    return take(r, ',') || take(r, ':') ? JSON_PATH_UNSUPPORTED : JSON_PATH_SYNTAX;
}

static enum json_path_result segment(struct parser *r, struct json_path_segment *s)
{
    *s = (struct json_path_segment){.deep = false};
    if (take(r, '['))
        return bracketed(r, s);
    if (!take(r, '.'))
        return JSON_PATH_SYNTAX;
    s->deep = take(r, '.');
    if (s->deep && take(r, '['))
        return bracketed(r, s);
    if (take(r, '*')) {
        s->kind = JSON_PATH_ALL;
        return JSON_PATH_OK;
    }
    return short_name(r, s);
}

enum json_path_result json_path_parse(const char *path, size_t len, struct json_path_parsed *out)
{
    struct parser r = {path, path + len, out};
    enum json_path_result result = JSON_PATH_OK;

    out->n = out->names_len = 0;
    if (len > JSON_PATH_BYTES_MAX)
        return JSON_PATH_TOO_LONG;
    if (!take(&r, '$'))
        return JSON_PATH_SYNTAX;
    while (result == JSON_PATH_OK && r.p < r.end) {
        skip_blank(&r);
        result = segment(&r, &out->segments[out->n++]);
    }
    return result;
}
