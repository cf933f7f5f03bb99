/*
 * Owns the reading of a request. Must never read outside the buffer it was given, nor keep a
 * pointer into it. Memory only.
 */
#include "tests/peer/request.h"

#include <string.h>
#include <strings.h>

/* Where the head ends: after the first empty line. 0: not there yet. */
static size_t head_end(const char *data, size_t len)
{
    const char *at = memmem(data, len, "\r\n\r\n", 4);
    return at ? (size_t)(at - data) + 4 : 0;
}

static struct span trimmed(struct span s)
{
    while (s.len && (*s.p == ' ' || *s.p == '\t'))
        s = span_skip(s, 1);
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t' || s.p[s.len - 1] == '\r'))
        s.len--;
    return s;
}

bool request_next_header(struct span *lines, struct span *name, struct span *value)
{
    if (lines->len == 0)
        return false;
    struct span line = span_cut(lines, '\n');
    *name = span_cut(&line, ':');
    *value = trimmed(line);
    if (value->len == 0)
        *name = trimmed(*name);
    return true;
}

static bool same(struct span s, const char *text, size_t len)
{
    return s.len == len && strncasecmp(s.p, text, len) == 0;
}

static int take_length(struct request *r, struct span value)
{
    size_t n = 0;
    if (value.len == 0 || value.len > 15)
        return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return -1;
        n = n * 10 + (size_t)(value.p[i] - '0');
    }
    if (r->has_length && r->content_length != n)
        return -1;
    r->has_length = true;
    r->content_length = n;
    return 0;
}

static int take_encoding(struct request *r, struct span value)
{
    r->chunked = same(value, "chunked", 7);
    return r->chunked ? 0 : -1;
}

static int take_connection(struct request *r, struct span value)
{
    if (same(value, "close", 5))
        r->keep_alive = false;
    else if (same(value, "keep-alive", 10))
        r->keep_alive = true;
    return 0;
}

static int take_expect(struct request *r, struct span value)
{
    r->expects_continue = same(value, "100-continue", 12);
    return 0;
}

static int take_id(struct request *r, struct span value)
{
    r->webhook_id = value;
    return 0;
}

static const struct {
    const char *name;
    size_t len;
    int (*take)(struct request *r, struct span value);
} known[] = {
    {"webhook-id", 10, take_id},
    {"content-length", 14, take_length},
    {"transfer-encoding", 17, take_encoding},
    {"connection", 10, take_connection},
    {"expect", 6, take_expect},
};

static int take_headers(struct request *r)
{
    struct span lines = r->head, name, value;
    while (request_next_header(&lines, &name, &value)) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (name.len == known[i].len && same(name, known[i].name, known[i].len) &&
                known[i].take(r, value) < 0)
                return -1;
        }
    }
    return r->chunked && r->has_length ? -1 : 0; /* the smuggling case: never guess */
}

static int take_line(struct request *r, struct span line)
{
    r->method = span_cut(&line, ' ');
    r->target = span_cut(&line, ' ');
    if (r->method.len == 0 || r->target.len == 0 || !span_starts(line, span_of("HTTP/1.")))
        return -1;
    r->keep_alive = line.len >= 8 && line.p[7] == '1';
    r->query = r->target;
    r->path = span_cut(&r->query, '?');
    return 0;
}

/* The size line of a chunk. Returns the bytes it takes, 0 for more, -1 for nonsense. */
static long chunk_size(const char *p, size_t len, size_t *size)
{
    const char *end = memchr(p, '\n', len);
    if (!end)
        return len > 1024 ? -1 : 0;
    size_t n = 0, digits = 0;
    for (; p + digits < end; digits++) {
        const char *hex = "0123456789abcdef";
        char ch = p[digits] >= 'A' && p[digits] <= 'F' ? (char)(p[digits] + 32) : p[digits];
        const char *at = ch ? strchr(hex, ch) : NULL;
        if (!at)
            break;
        n = n * 16 + (size_t)(at - hex);
        if (n > REQUEST_BODY_CAP)
            return -1;
    }
    *size = n;
    return digits ? end - p + 1 : -1;
}

/*
 * Walks the chunks from `at`. With `join` the data is moved together behind the head. Trailers are
 * not looked at: after the last chunk everything up to an empty line is skipped.
 */
static enum request_state walk_chunks(char *data, size_t len, bool join, struct request *r)
{
    size_t at = r->head_len, to = r->head_len, size;
    for (;;) {
        long line = chunk_size(data + at, len - at, &size);
        if (line <= 0)
            return line < 0 ? REQUEST_BAD : REQUEST_HEAD;
        at += (size_t)line;
        if (size == 0)
            break;
        if (len - at < size + 2)
            return REQUEST_HEAD;
        if (join)
            memmove(data + to, data + at, size);
        to += size;
        if (to - r->head_len > REQUEST_BODY_CAP)
            return REQUEST_TOO_LARGE;
        at += size + 2;
    }
    const char *end = memmem(data + at - 2, len - at + 2, "\r\n\r\n", 4);
    if (!end)
        return REQUEST_HEAD;
    r->total_len = (size_t)(end - data) + 4;
    r->body = (struct span){data + r->head_len, to - r->head_len};
    return REQUEST_COMPLETE;
}

static enum request_state take_body(char *data, size_t len, struct request *r)
{
    if (r->chunked) {
        enum request_state state = walk_chunks(data, len, false, r);
        return state == REQUEST_COMPLETE ? walk_chunks(data, len, true, r) : state;
    }
    if (r->content_length > REQUEST_BODY_CAP)
        return REQUEST_TOO_LARGE;
    r->total_len = r->head_len + r->content_length;
    size_t have = len - r->head_len;
    r->body =
        (struct span){data + r->head_len, have < r->content_length ? have : r->content_length};
    return len < r->total_len ? REQUEST_HEAD : REQUEST_COMPLETE;
}

enum request_state request_parse(char *data, size_t len, struct request *r)
{
    *r = (struct request){0};
    r->head_len = head_end(data, len < REQUEST_HEAD_CAP ? len : REQUEST_HEAD_CAP);
    if (r->head_len == 0)
        return len >= REQUEST_HEAD_CAP ? REQUEST_TOO_LARGE : REQUEST_MORE;
    struct span rest = {data, r->head_len - 2};
    struct span line = span_cut(&rest, '\n');
    r->head = rest;
    if (take_line(r, trimmed(line)) < 0 || take_headers(r) < 0)
        return REQUEST_BAD;
    return take_body(data, len, r);
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static void decode(struct span from, char *to, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < from.len && n + 1 < size; i++) {
        int high = -1, low = -1;
        if (from.p[i] == '%' && i + 2 < from.len) {
            high = hex_digit(from.p[i + 1]);
            low = hex_digit(from.p[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            to[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            to[n++] = from.p[i] == '+' ? ' ' : from.p[i];
        }
    }
    to[n] = '\0';
}

bool request_query(const struct request *r, const char *name, char *to, size_t size)
{
    struct span rest = r->query;
    while (rest.len) {
        struct span value = span_cut(&rest, '&');
        struct span key = span_cut(&value, '=');
        if (span_is(key, name)) {
            decode(value, to, size);
            return true;
        }
    }
    to[0] = '\0';
    return false;
}
