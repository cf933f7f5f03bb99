/*
 * json_scan: a pushdown automaton over bytes whose stack is one bit a level.
 *
 * Owns nothing: the cursor lies on the caller's stack, the text is the caller's. It must never
 * recurse (a payload of ten thousand brackets would take the process with it), never read behind
 * len, and never be more lenient than RFC 8259: what it passes is stored for ever and sent to
 * parsers we do not know. Strings are the bulk of real payloads, so their plain bytes are skipped
 * eight at a time.
 */
#include "common/json_scan.h"

#include <stdint.h>
#include <string.h>

#define ONES (UINT64_C(0x0101010101010101))
#define HIGHS (UINT64_C(0x8080808080808080))
#define WORD_BITS 64

enum state {
    AT_VALUE,         /* a value must come */
    AT_FIRST_ELEMENT, /* a value or ']' */
    AT_FIRST_KEY,     /* a key or '}' */
    AT_KEY,           /* a key must come */
    AT_NEXT,          /* ',' or the bracket that closes */
    AT_END            /* the value is complete */
};

struct cursor {
    const unsigned char *p;
    const unsigned char *start;
    const unsigned char *end;
    size_t max_depth;
    size_t depth;
    uint64_t is_object[JSON_SCAN_DEPTH_MAX / WORD_BITS]; /* written before it is read */
};

static void cursor_init(struct cursor *c, const char *buf, size_t len,
                        const struct json_limits *limits)
{
    c->p = c->start = (const unsigned char *)buf;
    c->end = c->start + len;
    c->depth = 0;
    c->max_depth =
        limits->max_depth < JSON_SCAN_DEPTH_MAX ? limits->max_depth : JSON_SCAN_DEPTH_MAX;
}

static enum json_scan_result finish(const struct cursor *c, enum json_scan_result result,
                                    size_t *err_off)
{
    if (result != JSON_SCAN_OK && err_off != NULL)
        *err_off = (size_t)(c->p - c->start);
    return result;
}

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

/* ---- strings ---- */

/*
 * The bytes below n in each of eight, as high bits; exact for the lowest one, which is all that is
 * used.
 */
static uint64_t bytes_below(uint64_t word, unsigned char n)
{
    return (word - ONES * n) & ~word & HIGHS;
}

static uint64_t bytes_equal(uint64_t word, unsigned char b)
{
    return bytes_below(word ^ (ONES * b), 1);
}

/* Skips what needs no look: printable ASCII but quote and backslash. */
static void skip_plain(struct cursor *c)
{
    while (c->end - c->p >= 8) {
        uint64_t word;

        memcpy(&word, c->p, sizeof(word));
        if ((bytes_below(word, 0x20) | bytes_equal(word, '"') | bytes_equal(word, '\\') |
             (word & HIGHS)) != 0)
            break;
        c->p += 8;
    }
    while (c->p < c->end && *c->p >= 0x20 && *c->p < 0x80 && *c->p != '"' && *c->p != '\\')
        c->p++;
}

/* Length of the UTF-8 sequence at p (RFC 3629 section 4), 0 if there is none. */
static size_t utf8_length(const unsigned char *p, const unsigned char *end)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (*p < 0xc2 || *p > 0xf4)
        return 0;
    n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    if ((size_t)(end - p) < n)
        return 0;
    if (*p == 0xe0)
        low = 0xa0; /* else overlong */
    else if (*p == 0xed)
        high = 0x9f; /* else a surrogate */
    else if (*p == 0xf0)
        low = 0x90; /* else overlong */
    else if (*p == 0xf4)
        high = 0x8f; /* else above U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static bool is_hex(unsigned char b)
{
    return (b >= '0' && b <= '9') || ((b | 32) >= 'a' && (b | 32) <= 'f');
}

static enum json_scan_result scan_escape(struct cursor *c)
{
    c->p++; /* the backslash */
    if (c->p == c->end || *c->p == '\0' || strchr("\"\\/bfnrtu", *c->p) == NULL)
        return JSON_SCAN_SYNTAX;
    if (*c->p++ != 'u')
        return JSON_SCAN_OK;
    for (int i = 0; i < 4; i++, c->p++)
        if (c->p == c->end || !is_hex(*c->p))
            return JSON_SCAN_SYNTAX;
    return JSON_SCAN_OK;
}

static enum json_scan_result scan_multibyte(struct cursor *c)
{
    while (c->p < c->end && *c->p >= 0x80) {
        size_t n = utf8_length(c->p, c->end);

        if (n == 0)
            return JSON_SCAN_UTF8;
        c->p += n;
    }
    return JSON_SCAN_OK;
}

/* p is at the opening quote; afterwards behind the closing one. */
static enum json_scan_result scan_string(struct cursor *c)
{
    enum json_scan_result result = JSON_SCAN_OK;

    c->p++;
    while (result == JSON_SCAN_OK) {
        skip_plain(c);
        if (c->p == c->end || *c->p < 0x20)
            return JSON_SCAN_SYNTAX;
        if (*c->p == '"') {
            c->p++;
            return JSON_SCAN_OK;
        }
        result = *c->p == '\\' ? scan_escape(c) : scan_multibyte(c);
    }
    return result;
}

/* ---- numbers and names ---- */

static bool is_digit_at(const struct cursor *c)
{
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static enum json_scan_result scan_digits(struct cursor *c)
{
    if (!is_digit_at(c))
        return JSON_SCAN_SYNTAX;
    while (is_digit_at(c))
        c->p++;
    return JSON_SCAN_OK;
}

static bool take(struct cursor *c, char a, char b)
{
    if (c->p == c->end || (*c->p != (unsigned char)a && *c->p != (unsigned char)b))
        return false;
    c->p++;
    return true;
}

static enum json_scan_result scan_number(struct cursor *c)
{
    take(c, '-', '-');
    if (!take(c, '0', '0') && scan_digits(c) != JSON_SCAN_OK)
        return JSON_SCAN_SYNTAX;
    if (take(c, '.', '.') && scan_digits(c) != JSON_SCAN_OK)
        return JSON_SCAN_SYNTAX;
    if (!take(c, 'e', 'E'))
        return JSON_SCAN_OK;
    take(c, '+', '-');
    return scan_digits(c);
}

static enum json_scan_result scan_name(struct cursor *c, const char *name)
{
    for (; *name != '\0'; name++, c->p++)
        if (c->p == c->end || *c->p != (unsigned char)*name)
            return JSON_SCAN_SYNTAX;
    return JSON_SCAN_OK;
}

static enum json_scan_result scan_scalar(struct cursor *c)
{
    switch (*c->p) {
    case '"':
        return scan_string(c);
    case 't':
        return scan_name(c, "true");
    case 'f':
        return scan_name(c, "false");
    case 'n':
        return scan_name(c, "null");
    default:
        return scan_number(c);
    }
}

/* ---- nesting ---- */

static enum json_scan_result open_level(struct cursor *c, bool object, enum state *state)
{
    uint64_t bit = UINT64_C(1) << (c->depth % WORD_BITS);
    uint64_t *word;

    if (c->depth == c->max_depth)
        return JSON_SCAN_DEPTH;
    word = &c->is_object[c->depth / WORD_BITS];
    if (c->depth % WORD_BITS == 0)
        *word = 0;
    *word = object ? *word | bit : *word & ~bit;
    c->depth++;
    c->p++;
    *state = object ? AT_FIRST_KEY : AT_FIRST_ELEMENT;
    return JSON_SCAN_OK;
}

static bool in_object(const struct cursor *c)
{
    size_t level = c->depth - 1;

    return (c->is_object[level / WORD_BITS] >> (level % WORD_BITS) & 1) != 0;
}

static void close_level(struct cursor *c, size_t base, enum state *state)
{
    c->p++;
    c->depth--;
    *state = c->depth == base ? AT_END : AT_NEXT;
}

static enum json_scan_result step_value(struct cursor *c, size_t base, enum state *state)
{
    if (*c->p == '{' || *c->p == '[')
        return open_level(c, *c->p == '{', state);
    *state = c->depth == base ? AT_END : AT_NEXT;
    return scan_scalar(c);
}

static enum json_scan_result scan_key(struct cursor *c)
{
    enum json_scan_result result;

    if (c->p == c->end || *c->p != '"')
        return JSON_SCAN_SYNTAX;
    result = scan_string(c);
    if (result != JSON_SCAN_OK)
        return result;
    skip_space(c);
    return take(c, ':', ':') ? JSON_SCAN_OK : JSON_SCAN_SYNTAX;
}

static enum json_scan_result step_key(struct cursor *c, enum state *state)
{
    *state = AT_VALUE;
    return scan_key(c);
}

static enum json_scan_result step_next(struct cursor *c, size_t base, enum state *state)
{
    bool object = in_object(c);

    if (*c->p == (object ? '}' : ']')) {
        close_level(c, base, state);
        return JSON_SCAN_OK;
    }
    *state = object ? AT_KEY : AT_VALUE;
    return take(c, ',', ',') ? JSON_SCAN_OK : JSON_SCAN_SYNTAX;
}

static enum json_scan_result step(struct cursor *c, size_t base, enum state *state)
{
    bool first = *state == AT_FIRST_ELEMENT || *state == AT_FIRST_KEY;

    if (first && (*c->p == ']' || *c->p == '}'))
        return step_next(c, base, state); /* which also refuses the wrong bracket */
    switch (*state) {
    case AT_FIRST_ELEMENT:
    case AT_VALUE:
        return step_value(c, base, state);
    case AT_FIRST_KEY:
    case AT_KEY:
        return step_key(c, state);
    default:
        return step_next(c, base, state);
    }
}

/* One value, space before it allowed. */
static enum json_scan_result scan_one(struct cursor *c)
{
    enum json_scan_result result = JSON_SCAN_OK;
    enum state state = AT_VALUE;
    size_t base = c->depth;

    while (result == JSON_SCAN_OK && state != AT_END) {
        skip_space(c);
        if (c->p == c->end)
            return JSON_SCAN_SYNTAX;
        result = step(c, base, &state);
    }
    return result;
}

static enum json_scan_result scan_rest(struct cursor *c)
{
    skip_space(c);
    return c->p == c->end ? JSON_SCAN_OK : JSON_SCAN_SYNTAX;
}

enum json_scan_result json_scan_value(const char *buf, size_t len, const struct json_limits *limits,
                                      size_t *err_off)
{
    struct cursor c;
    enum json_scan_result result;

    cursor_init(&c, buf, len, limits);
    result = scan_one(&c);
    if (result == JSON_SCAN_OK)
        result = scan_rest(&c);
    return finish(&c, result, err_off);
}

enum json_scan_result json_scan_skip(const char *buf, size_t len, const struct json_limits *limits,
                                     size_t *end, size_t *err_off)
{
    struct cursor c;
    enum json_scan_result result;

    cursor_init(&c, buf, len, limits);
    result = scan_one(&c);
    if (result == JSON_SCAN_OK)
        *end = (size_t)(c.p - c.start);
    return finish(&c, result, err_off);
}

/* ---- the outermost level, with its slices ---- */

/* Enters an array or object; *empty if it closed at once. */
static enum json_scan_result enter(struct cursor *c, char bracket, bool *empty)
{
    enum state state;
    enum json_scan_result result;

    skip_space(c);
    if (c->p == c->end)
        return JSON_SCAN_SYNTAX;
    if (*c->p != (unsigned char)bracket)
        return JSON_SCAN_TYPE;
    result = open_level(c, bracket == '{', &state);
    if (result != JSON_SCAN_OK)
        return result;
    skip_space(c);
    *empty = bracket == '{' ? take(c, '}', '}') : take(c, ']', ']');
    return JSON_SCAN_OK;
}

/* Behind a member or element: on to the next, or out. */
static enum json_scan_result leave_or_go_on(struct cursor *c, char closing, bool *done)
{
    skip_space(c);
    *done = take(c, closing, closing);
    if (*done || take(c, ',', ','))
        return JSON_SCAN_OK;
    return JSON_SCAN_SYNTAX;
}

static enum json_scan_result slice_value(struct cursor *c, struct json_slice *out)
{
    enum json_scan_result result;

    skip_space(c);
    out->p = (const char *)c->p;
    result = scan_one(c);
    out->len = (size_t)((const char *)c->p - out->p);
    return result;
}

static bool same_text(struct json_slice a, struct json_slice b);

static enum json_scan_result check_new(struct cursor *c, const struct json_member *members,
                                       size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (same_text(members[i].key, members[n].key)) {
            c->p = (const unsigned char *)members[n].key.p - 1;
            return JSON_SCAN_DUPLICATE;
        }
    return JSON_SCAN_OK;
}

static enum json_scan_result scan_member(struct cursor *c, struct json_member *members, size_t max,
                                         size_t n)
{
    const unsigned char *quote;
    enum json_scan_result result;

    skip_space(c);
    if (n == max)
        return JSON_SCAN_TOO_MANY;
    quote = c->p;
    if (c->p == c->end || *c->p != '"')
        return JSON_SCAN_SYNTAX;
    result = scan_string(c);
    if (result != JSON_SCAN_OK)
        return result;
    members[n].key = (struct json_slice){(const char *)quote + 1, (size_t)(c->p - quote) - 2};
    result = check_new(c, members, n);
    if (result != JSON_SCAN_OK)
        return result;
    skip_space(c);
    if (!take(c, ':', ':'))
        return JSON_SCAN_SYNTAX;
    return slice_value(c, &members[n].value);
}

static enum json_scan_result scan_members(struct cursor *c, struct json_member *members, size_t max,
                                          size_t *n)
{
    enum json_scan_result result;
    bool done;

    result = enter(c, '{', &done);
    while (result == JSON_SCAN_OK && !done) {
        result = scan_member(c, members, max, *n);
        if (result != JSON_SCAN_OK)
            return result;
        (*n)++;
        result = leave_or_go_on(c, '}', &done);
    }
    return result;
}

static enum json_scan_result scan_empty_array(struct cursor *c)
{
    bool empty = false;
    enum json_scan_result result = enter(c, '[', &empty);

    return result == JSON_SCAN_OK && !empty ? JSON_SCAN_TYPE : result;
}

enum json_scan_result json_scan_object(const char *buf, size_t len,
                                       const struct json_limits *limits,
                                       struct json_member *members, size_t max, size_t *n,
                                       size_t *err_off)
{
    struct cursor c;
    enum json_scan_result result;

    cursor_init(&c, buf, len, limits);
    *n = 0;
    result = scan_members(&c, members, max, n);
    if (result == JSON_SCAN_TYPE && *c.p == '[')
        result = scan_empty_array(&c);
    if (result == JSON_SCAN_OK)
        result = scan_rest(&c);
    return finish(&c, result, err_off);
}

static enum json_scan_result scan_elements(struct cursor *c, size_t max,
                                           int (*each)(void *, size_t, struct json_slice),
                                           void *arg)
{
    enum json_scan_result result;
    struct json_slice element;
    bool done;

    result = enter(c, '[', &done);
    for (size_t i = 0; result == JSON_SCAN_OK && !done; i++) {
        if (i == max)
            return JSON_SCAN_TOO_MANY;
        result = slice_value(c, &element);
        if (result != JSON_SCAN_OK)
            return result;
        if (each(arg, i, element) != 0)
            return JSON_SCAN_STOPPED;
        result = leave_or_go_on(c, ']', &done);
    }
    return result;
}

enum json_scan_result json_scan_array(
    const char *buf, size_t len, const struct json_limits *limits, size_t max,
    int (*each)(void *arg, size_t index, struct json_slice element), void *arg, size_t *err_off)
{
    struct cursor c;
    enum json_scan_result result;

    cursor_init(&c, buf, len, limits);
    result = scan_elements(&c, max, each, arg);
    if (result == JSON_SCAN_OK)
        result = scan_rest(&c);
    return finish(&c, result, err_off);
}

/* ---- what a scanned string says ---- */

static struct json_slice without_quotes(struct json_slice s)
{
    if (s.len >= 2 && s.p[0] == '"') {
        s.p++;
        s.len -= 2;
    }
    return s;
}

/* Four hex digits: '0' is 48, 'a' is 87 + 10. */
static uint32_t hex_unit(const char *p)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        unsigned char b = (unsigned char)p[i];

        unit = unit << 4 | (b <= '9' ? b - 48u : (b | 32u) - 87u);
    }
    return unit;
}

static bool starts_low_surrogate(const struct json_slice *s)
{
    uint32_t unit;

    if (s->len < 6 || s->p[0] != '\\' || s->p[1] != 'u')
        return false;
    unit = hex_unit(s->p + 2);
    return unit >= 0xdc00 && unit <= 0xdfff;
}

static void drop(struct json_slice *s, size_t n)
{
    s->p += n;
    s->len -= n;
}

static uint32_t next_escaped(struct json_slice *s)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    char name = s->p[1];
    const char *at = strchr(names, name);
    uint32_t high;

    if (name != 'u') {
        drop(s, 2);
        return (unsigned char)(at != NULL ? values[at - names] : name);
    }
    high = hex_unit(s->p + 2);
    drop(s, 6);
    if (high < 0xd800 || high > 0xdbff || !starts_low_surrogate(s))
        return high;
    high = 0x10000 + ((high - 0xd800) << 10) + (hex_unit(s->p + 2) - 0xdc00);
    drop(s, 6);
    return high;
}

/* The next code point of a valid string that is not empty; a lone surrogate as itself. */
static uint32_t next_char(struct json_slice *s)
{
    unsigned char lead = (unsigned char)s->p[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);

    if (lead == '\\')
        return next_escaped(s);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s->p[i] & 0x3fu);
    drop(s, n);
    return c;
}

static bool same_text(struct json_slice a, struct json_slice b)
{
    if (memchr(a.p, '\\', a.len) == NULL && memchr(b.p, '\\', b.len) == NULL)
        return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
    while (a.len > 0 && b.len > 0)
        if (next_char(&a) != next_char(&b))
            return false;
    return a.len == b.len; /* both are used up */
}

/* Writes one code point as UTF-8; 0 for a surrogate, which has no form. */
static size_t put_utf8(uint32_t c, char out[4])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};

    if (c >= 0xd800 && c <= 0xdfff)
        return 0;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

bool json_scan_is(struct json_slice string, const char *text)
{
    struct json_slice s = without_quotes(string);
    size_t left = strlen(text);

    while (s.len > 0) {
        char utf8[4];
        size_t n = put_utf8(next_char(&s), utf8);

        if (n == 0 || n > left || memcmp(text, utf8, n) != 0)
            return false;
        text += n;
        left -= n;
    }
    return left == 0;
}

int json_scan_text(struct json_slice string, char *out, size_t cap, size_t *n)
{
    struct json_slice s = without_quotes(string);
    size_t at = 0;

    while (s.len > 0) {
        char utf8[4];
        size_t len = put_utf8(next_char(&s), utf8);

        if (len == 0 || at + len >= cap)
            return -1;
        memcpy(out + at, utf8, len);
        at += len;
    }
    if (at >= cap)
        return -1;
    out[at] = '\0';
    *n = at;
    return 0;
}

const char *json_scan_result_name(enum json_scan_result result)
{
    static const char *const names[] = {
        [JSON_SCAN_OK] = "ok",
        [JSON_SCAN_SYNTAX] = "syntax",
        [JSON_SCAN_UTF8] = "utf-8",
        [JSON_SCAN_DEPTH] = "depth",
        [JSON_SCAN_DUPLICATE] = "duplicate",
        [JSON_SCAN_TOO_MANY] = "too many",
        [JSON_SCAN_TYPE] = "type",
        [JSON_SCAN_STOPPED] = "stopped",
    };

    return names[result];
}
