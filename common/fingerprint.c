/*
 * fingerprint: the template of an answer, and its hash.
 *
 * Owns nothing between calls but the fetched digest. It reads what strangers sent: every matcher
 * looks at a bounded stretch, so the pass is linear, and nothing leaves here that is not valid
 * UTF-8. It must never change what it yields for the same input without a new FINGERPRINT_VERSION:
 * groups are keyed by it. A crash leaves nothing.
 */
#include "common/fingerprint.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "common/redact.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct text {
    const char *p;
    size_t len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_letter(c);
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_blank(char c)
{
    return (unsigned char)c <= 0x20 || c == 0x7f;
}

/* ---- matchers: the length of what stands at the start of a text, or 0 ---- */

/* Characters from the start that `is` takes, at most max. */
static size_t run(struct text t, bool (*is)(char), size_t max)
{
    size_t n = 0;

    while (n < t.len && n < max && is(t.p[n]))
        n++;
    return n;
}

static struct text behind(struct text t, size_t n)
{
    return (struct text){t.p + n, t.len - n};
}

/* n if what was matched is not continued by a letter or digit. */
static size_t ends_at(struct text t, size_t n)
{
    return n > 0 && (n == t.len || !is_alnum(t.p[n])) ? n : 0;
}

static bool is_url_char(char c)
{
    return !is_blank(c) && strchr("\"'<>`", c) == NULL;
}

static size_t match_url(struct text t)
{
    size_t scheme = run(t, is_letter, 16);

    if (scheme == 0 || t.len < scheme + 3 || memcmp(t.p + scheme, "://", 3) != 0)
        return 0;
    return scheme + 3 + run(behind(t, scheme + 3), is_url_char, t.len);
}

static bool is_local_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("._%+-", c) != NULL);
}

static bool is_domain_char(char c)
{
    return is_alnum(c) || c == '.' || c == '-';
}

static size_t match_email(struct text t)
{
    size_t local = run(t, is_local_char, 64), domain;

    if (local == 0 || local == t.len || t.p[local] != '@')
        return 0;
    domain = run(behind(t, local + 1), is_domain_char, 253);
    while (domain > 0 && !is_alnum(t.p[local + domain]))
        domain--; /* the full stop of the sentence */
    return memchr(t.p + local + 1, '.', domain) == NULL ? 0 : local + 1 + domain;
}

/* A shape: d digit, D digit or space, a letter, x hex digit, anything else itself. */
static size_t match_shape(struct text t, const char *shape)
{
    size_t n = strlen(shape);

    if (t.len < n)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char c = t.p[i], want = shape[i];
        bool ok = want == 'd'   ? is_digit(c)
                  : want == 'D' ? is_digit(c) || c == ' '
                  : want == 'a' ? is_letter(c)
                  : want == 'x' ? is_hex(c)
                                : c == want;
        if (!ok)
            return 0;
    }
    return n;
}

static size_t match_uuid(struct text t)
{
    return ends_at(t, match_shape(t, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"));
}

static size_t match_fraction(struct text t)
{
    if (t.len < 2 || (t.p[0] != '.' && t.p[0] != ',') || !is_digit(t.p[1]))
        return 0;
    return 1 + run(behind(t, 1), is_digit, 9);
}

static size_t match_zone(struct text t)
{
    static const char *const zones[] = {"Z",     "z",    "+dd:dd", "-dd:dd", "+dddd",
                                        "-dddd", " UTC", " GMT",   " +dddd", " -dddd"};

    for (size_t i = 0; i < COUNT(zones); i++) {
        size_t n = ends_at(t, match_shape(t, zones[i]));

        if (n > 0)
            return n;
    }
    return 0;
}

/* dd:dd or dd:dd:dd, with fraction and zone. */
static size_t match_clock(struct text t)
{
    size_t n = match_shape(t, "dd:dd:dd");

    if (n == 0)
        n = match_shape(t, "dd:dd");
    if (n == 0)
        return 0;
    n += match_fraction(behind(t, n));
    n += match_zone(behind(t, n));
    return ends_at(t, n);
}

static size_t match_rfc3339(struct text t)
{
    size_t day = match_shape(t, "dddd-dd-dd"), clock = 0;

    if (day == 0)
        return 0;
    if (t.len > day + 1 && strchr("Tt ", t.p[day]) != NULL)
        clock = match_clock(behind(t, day + 1));
    return clock > 0 ? day + 1 + clock : ends_at(t, day);
}

/* The forms of RFC 9110 section 5.6.7, with the name of the day or without. */
static size_t match_http_date(struct text t)
{
    static const char *const shapes[] = {"dd aaa dddd dd:dd:dd", "dd-aaa-dd dd:dd:dd",
                                         "aaa DD dd:dd:dd dddd", "aaa DD dd:dd:dd"};
    size_t skip = run(t, is_letter, 10);

    if (skip >= 3 && t.len > skip + 2 && t.p[skip] == ',' && t.p[skip + 1] == ' ')
        skip += 2;
    else
        skip = skip == 3 && t.len > 7 && t.p[3] == ' ' && is_letter(t.p[4]) ? 4 : 0;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        size_t n = match_shape(behind(t, skip), shapes[i]);

        if (n > 0)
            return ends_at(t, skip + n + match_zone(behind(t, skip + n)));
    }
    return 0;
}

static size_t match_time(struct text t)
{
    size_t n = match_rfc3339(t);

    if (n == 0)
        n = match_http_date(t);
    return n > 0 ? n : match_clock(t);
}

static bool is_ip_char(char c)
{
    return is_hex(c) || c == ':' || c == '.';
}

static size_t match_ip(struct text t)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char addr[16];
    size_t n = run(t, is_ip_char, sizeof(copy));

    if (n == sizeof(copy))
        return 0;
    if (n > 2 && (t.p[n - 1] == '.' || t.p[n - 1] == ':') && t.p[n - 2] != ':')
        n--; /* punctuation behind it */
    if (ends_at(t, n) == 0)
        return 0;
    memcpy(copy, t.p, n);
    copy[n] = '\0';
    if (inet_pton(AF_INET, copy, addr) == 1 || inet_pton(AF_INET6, copy, addr) == 1)
        return n;
    return 0;
}

/* Dotted IPv4 in front of a port, which match_ip's run has swallowed. */
static size_t match_ip_port(struct text t)
{
    size_t n = run(t, is_ip_char, 22);
    const char *colon = memchr(t.p, ':', n);

    return colon == NULL ? 0 : match_ip((struct text){t.p, (size_t)(colon - t.p)});
}

/*
 * Digits, also with dots between: versions. Dots begin words, so their number is bounded to keep
 * the pass linear.
 */
static size_t match_number(struct text t)
{
    size_t n = run(t, is_digit, t.len);

    for (int dots = 0; n > 0 && dots < 8 && n + 1 < t.len && t.p[n] == '.'; dots++) {
        size_t more = run(behind(t, n + 1), is_digit, t.len);

        if (more == 0)
            break;
        n += 1 + more;
    }
    return n;
}

static size_t match_unit(struct text t)
{
    static const char *const units[] = {
        "ns",      "us", "ms",  "msec", "millisecond", "milliseconds", "s", "sec", "secs", "second",
        "seconds", "m",  "min", "mins", "minute",      "minutes",      "h", "hr",  "hrs",  "hour",
        "hours",   "d",  "day", "days",
    };
    size_t n = run(t, is_letter, 13);

    for (size_t i = 0; i < COUNT(units); i++)
        if (strlen(units[i]) == n && strncasecmp(units[i], t.p, n) == 0)
            return n;
    return 0;
}

/* "30s", "1.5 seconds", "1m30s". */
static size_t match_duration(struct text t)
{
    size_t n = 0, number, unit;

    for (;;) {
        number = match_number(behind(t, n));
        if (number == 0)
            break;
        if (n == 0 && number + 1 < t.len && t.p[number] == ' ')
            number++;
        unit = match_unit(behind(t, n + number));
        if (unit == 0)
            return 0;
        n += number + unit;
    }
    return ends_at(t, n);
}

static bool is_lower_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

/*
 * Eight or more hex digits with a decimal one among them; or seven, lower case and mixed: a short
 * commit.
 */
static size_t match_hex(struct text t)
{
    size_t skip = t.len > 2 && memcmp(t.p, "0x", 2) == 0 ? 2 : 0, digits = 0;
    size_t n = run(behind(t, skip), is_hex, t.len);

    for (size_t i = 0; i < n; i++)
        digits += is_digit(t.p[skip + i]);
    if (skip > 0 && n > 0)
        return ends_at(t, skip + n);
    if (n >= 8 && digits > 0)
        return ends_at(t, n);
    if (n == 7 && digits > 0 && digits < 7 && run(t, is_lower_hex, 7) == 7)
        return ends_at(t, n);
    return 0;
}

static size_t match_plain_number(struct text t)
{
    return ends_at(t, match_number(t));
}

/*
 * In this order, only where a word begins. Hex and numbers share a mark: an id of eight random hex
 * digits is all decimal one time in forty.
 */
static const struct {
    size_t (*match)(struct text);
    const char *mark;
} matchers[] = {
    {match_url, "<url>"},           {match_email, "<email>"}, {match_time, "<time>"},
    {match_uuid, "<uuid>"},         {match_ip, "<ip>"},       {match_ip_port, "<ip>"},
    {match_duration, "<duration>"}, {match_hex, "#"},         {match_plain_number, "#"},
};

/* ---- the pass ---- */

struct output {
    char *p;
    size_t n;
    bool space; /* a space is due before what comes next */
    char last;  /* the last character that is not a space */
};

/* Whole or not at all, so that no character is cut; false ends the pass. */
static bool put(struct output *o, const char *text, size_t len)
{
    size_t space = o->space && o->n > 0;

    if (o->n + space + len > FINGERPRINT_TEXT_MAX)
        return false;
    if (space > 0)
        o->p[o->n++] = ' ';
    memcpy(o->p + o->n, text, len);
    o->n += len;
    o->space = false;
    o->last = text[len - 1];
    return true;
}

/* A quoted string behind '=' or ':', its quotes included. */
static size_t match_quoted(struct text t, char last)
{
    const char *close;

    if ((t.p[0] != '"' && t.p[0] != '\'') || (last != '=' && last != ':'))
        return 0;
    close = memchr(t.p + 1, t.p[0], t.len - 1 < 512 ? t.len - 1 : 512);
    return close == NULL ? 0 : (size_t)(close - t.p) + 1;
}

static size_t match_any(struct text t, char last, const char **mark)
{
    size_t n = match_quoted(t, last);

    *mark = "<str>";
    for (size_t i = 0; n == 0 && i < COUNT(matchers); i++) {
        n = matchers[i].match(t);
        *mark = matchers[i].mark;
    }
    return n;
}

static size_t character_length(struct text t)
{
    unsigned char c = (unsigned char)t.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return n < t.len ? n : t.len;
}

/* Of valid UTF-8. */
static size_t mask_valid(struct text t, char out[FINGERPRINT_TEXT_MAX + 1])
{
    struct output o = {.p = out};
    bool begins = true;
    const char *mark;
    bool fits = true;

    while (fits && t.len > 0) {
        size_t n = begins ? match_any(t, o.last, &mark) : 0;

        if (n > 0) {
            fits = put(&o, mark, strlen(mark));
        } else {
            n = character_length(t);
            if (is_blank(t.p[0]))
                o.space = true;
            else
                fits = put(&o, t.p, n);
        }
        begins = !is_alnum(t.p[n - 1]);
        t = behind(t, n);
    }
    out[o.n] = '\0';
    return o.n;
}

size_t fingerprint_mask(const char *in, size_t len, char out[FINGERPRINT_TEXT_MAX + 1])
{
    char valid[3 * FINGERPRINT_INPUT_MAX + 1];
    size_t n = len < FINGERPRINT_INPUT_MAX ? len : FINGERPRINT_INPUT_MAX;

    n = redact_to_utf8(in, n, valid, sizeof(valid));
    return mask_valid((struct text){valid, n}, out);
}

/* ---- choosing what to mask ---- */

static struct text trim(struct text t)
{
    while (t.len > 0 && is_blank(t.p[0]))
        t = behind(t, 1);
    while (t.len > 0 && is_blank(t.p[t.len - 1]))
        t.len--;
    return t;
}

static struct text first_line(struct text t)
{
    const char *end;

    t = trim(t);
    end = memchr(t.p, '\n', t.len);
    return end == NULL ? t : (struct text){t.p, (size_t)(end - t.p)};
}

static bool has(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* Without a content type, what has no NUL is taken for text. */
static bool is_text(const char *content_type, struct text body)
{
    static const char *const words[] = {"text/", "json", "xml", "html", "javascript", "urlencoded"};

    if (content_type == NULL || content_type[0] == '\0')
        return memchr(body.p, '\0', body.len) == NULL;
    for (size_t i = 0; i < COUNT(words); i++)
        if (has(content_type, words[i]))
            return true;
    return false;
}

/*
 * A code is a symbol, kept as it is: 4001 and 4002 are different failures. Long ones with many
 * digits are ids.
 */
static bool is_symbol(const char *text)
{
    size_t digits = 0, n = 0;

    for (; text[n] != '\0'; n++) {
        if (!is_alnum(text[n]) && strchr("_.-", text[n]) == NULL)
            return false;
        digits += is_digit(text[n]);
    }
    return n > 0 && n <= 64 && digits <= 6;
}

/* Writes the template of one member; false if it says nothing. */
static bool use_member(const json_t *value, bool code, struct fingerprint *out)
{
    char number[32];
    const char *text = json_string_value(value);

    if (json_is_integer(value) && code) {
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = number;
    }
    if (text == NULL || text[0] == '\0' || strcmp(text, "about:blank") == 0)
        return false;
    if (code && is_symbol(text))
        out->text_len = (size_t)snprintf(out->text, sizeof(out->text), "%s", text);
    else
        out->text_len = fingerprint_mask(text, strlen(text), out->text);
    return out->text_len > 0;
}

static bool use_json(const json_t *root, struct fingerprint *out)
{
    static const struct {
        bool inner, code;
        const char *name;
    } members[] = {
        {true, true, "code"},     {true, true, "type"},     {false, true, "code"},
        {false, true, "type"},    {true, false, "message"}, {false, false, "message"},
        {false, false, "detail"}, {false, false, "title"},  {false, false, "error"},
    };
    const json_t *error = json_object_get(root, "error");

    for (size_t i = 0; i < COUNT(members); i++) {
        const json_t *from = members[i].inner ? error : root;

        if (use_member(json_object_get(from, members[i].name), members[i].code, out))
            return true;
    }
    return false;
}

static bool try_json(struct text body, struct fingerprint *out)
{
    json_t *root;
    bool used;

    if (body.len == 0 || body.p[0] != '{')
        return false;
    root = json_loadb(body.p, body.len, JSON_ALLOW_NUL, NULL);
    used = root != NULL && use_json(root, out);
    json_decref(root);
    return used;
}

static const char *find_word(struct text t, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= t.len; i++)
        if (strncasecmp(t.p + i, word, n) == 0)
            return t.p + i;
    return NULL;
}

static bool try_html(struct text body, struct fingerprint *out)
{
    const char *open = find_word(body, "<title"), *end = body.p + body.len;
    const char *start = open != NULL ? memchr(open, '>', (size_t)(end - open)) : NULL;
    const char *close;

    if (start == NULL)
        return false;
    start++;
    close = find_word((struct text){start, (size_t)(end - start)}, "</title");
    if (close == NULL)
        return false;
    out->text_len = fingerprint_mask(start, (size_t)(close - start), out->text);
    return out->text_len > 0;
}

static void use_body(const char *content_type, struct text body, struct fingerprint *out)
{
    struct text line;

    if (body.len > FINGERPRINT_INPUT_MAX)
        body.len = FINGERPRINT_INPUT_MAX;
    body = trim(body);
    if (body.len == 0 || !is_text(content_type, body) || try_json(body, out))
        return;
    if (body.p[0] == '<' && try_html(body, out))
        return;
    line = first_line(body);
    out->text_len = fingerprint_mask(line.p, line.len, out->text);
}

static void use_code(const char *code, struct fingerprint *out)
{
    out->text_len = redact_to_utf8(code, strlen(code), out->text, sizeof(out->text));
}

/* ---- the hash ---- */

static int digest(const void *in, size_t n, unsigned char out[FINGERPRINT_BYTES])
{
    static EVP_MD *sha256;
    unsigned char whole[EVP_MAX_MD_SIZE];

    if (sha256 == NULL)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256 == NULL || EVP_Digest(in, n, whole, NULL, sha256, NULL) != 1)
        return -1;
    memcpy(out, whole, FINGERPRINT_BYTES);
    return 0;
}

/* The parts, each ended by NUL where its length varies. */
static int hash_parts(const struct uuid *webhook, const char *reason, int status,
                      struct fingerprint *out)
{
    unsigned char in[1 + sizeof(webhook->b) + 128 + FINGERPRINT_TEXT_MAX];
    size_t at = 1 + sizeof(webhook->b);
    int n;

    in[0] = FINGERPRINT_VERSION;
    memcpy(in + 1, webhook->b, sizeof(webhook->b));
    n = snprintf((char *)in + at, 128, "%.64s%c%d%c", reason, '\0', status, '\0');
    if (n < 0 || n >= 128)
        return -1;
    at += (size_t)n;
    memcpy(in + at, out->text, out->text_len);
    return digest(in, at + out->text_len, out->id);
}

int fingerprint_compute(const struct uuid *webhook, const char *reason, int status,
                        const char *content_type, const void *body, size_t len,
                        const char *error_code, struct fingerprint *out)
{
    memset(out, 0, sizeof(*out));
    if (status > 0 && body != NULL)
        use_body(content_type, (struct text){body, len}, out);
    if (out->text_len == 0 && error_code != NULL)
        use_code(error_code, out);
    return hash_parts(webhook, reason, status, out);
}

int fingerprint_parse(const char *text, size_t len, unsigned char out[FINGERPRINT_BYTES])
{
    if (len != 2 * FINGERPRINT_BYTES || strspn(text, "0123456789abcdefABCDEF") < len)
        return -1;
    for (size_t i = 0; i < FINGERPRINT_BYTES; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return 0;
}
