/*
 * Owns the table of behaviours and the names that were told to be up. Must never hold state about a
 * request beyond its connection. Memory only.
 */
#include "tests/peer/modes.h"

#include <string.h>

#include "tests/peer/conn.h"
#include "tests/peer/control.h"
#include "tests/peer/record.h"
#include "tests/peer/seen.h"

#define NAMES 1024
#define NAME_BYTES 64
#define DELAY_MAX_MS 3600000u
#define HEADERS_MAX 100000u
#define BIG_MAX_KB (64ul << 10)

/* One request as a mode sees it. */
struct visit {
    struct conn *conn;
    const struct request *req;
    const char *name; /* of the mode */
    struct span rest; /* of the path, after the mode's name and its slash */
    uint32_t before;  /* how often this path saw this webhook-id before */
};

/* Answers and returns the status, 0 if there is none. */
typedef int mode_answer(const struct visit *v);

static char up_names[NAMES][NAME_BYTES];
static size_t up_count;

static unsigned number(const struct visit *v, unsigned fallback, unsigned most)
{
    return (unsigned)span_number(v->rest, fallback, most);
}

/* ---- modes that answer as a server should ---- */

static int answer_ok(const struct visit *v)
{
    conn_raw(v->conn, span_of("HTTP/1.1 204 No Content\r\n\r\n"));
    return 204;
}

/* A header from the query, e.g. retry-after; line breaks cannot come through. */
static void header_from_query(const struct visit *v, const char *key, const char *name, char *to,
                              size_t size)
{
    char value[256];
    to[0] = '\0';
    if (!request_query(v->req, key, value, sizeof(value)) || strpbrk(value, "\r\n"))
        return;
    (void)snprintf(to, size, "%s: %s\r\n", name, value);
}

static int answer_status(const struct visit *v)
{
    int status = (int)number(v, 200, 999);
    char body[2048], retry[300], type[300], headers[600];
    if (!request_query(v->req, "body", body, sizeof(body)))
        (void)snprintf(body, sizeof(body), "status %d as asked\n", status);
    header_from_query(v, "retry-after", "Retry-After", retry, sizeof(retry));
    header_from_query(v, "type", "Content-Type", type, sizeof(type));
    (void)snprintf(headers, sizeof(headers), "%s%s", retry,
                   type[0] ? type : "Content-Type: text/plain\r\n");
    conn_reply(v->conn, status, headers, span_of(body));
    return status;
}

static int answer_delay(const struct visit *v)
{
    conn_delay(v->conn, number(v, 1000, DELAY_MAX_MS));
    return answer_ok(v);
}

static int answer_unavailable(const struct visit *v, const char *why)
{
    conn_reply(v->conn, 503, "Content-Type: text/plain\r\n", span_of(why));
    return 503;
}

static int answer_flaky(const struct visit *v)
{
    if (v->before < number(v, 1, 1000000))
        return answer_unavailable(v, "not yet, try again\n");
    return answer_ok(v);
}

static bool is_up(struct span name)
{
    for (size_t i = 0; i < up_count; i++)
        if (span_is(name, up_names[i]))
            return true;
    return false;
}

static int answer_down(const struct visit *v)
{
    struct span rest = v->rest;
    if (!is_up(span_cut(&rest, '/')))
        return answer_unavailable(v, "down for maintenance\n");
    return answer_ok(v);
}

static int answer_gone(const struct visit *v)
{
    conn_reply(v->conn, 410, "Content-Type: text/plain\r\n", span_of("this endpoint is gone\n"));
    return 410;
}

static int answer_redirect(const struct visit *v)
{
    char to[1024], headers[1100];
    int status = (int)number(v, 302, 399);
    if (!request_query(v->req, "to", to, sizeof(to)) || strpbrk(to, "\r\n"))
        (void)snprintf(to, sizeof(to), "/ok");
    (void)snprintf(headers, sizeof(headers), "Location: %s\r\n", to);
    conn_reply(v->conn, status, headers, span_of(""));
    return status;
}

static int answer_json_error(const struct visit *v)
{
    conn_reply(v->conn, 500, "Content-Type: application/json\r\n",
               span_of("{\"error\":{\"code\":\"E_x\",\"message\":\"order 123 failed\"}}"));
    return 500;
}

static int answer_html_error(const struct visit *v)
{
    static const char page[] =
        "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>\n"
        "<h1>502 Bad Gateway</h1><script>alert(document.domain)</script>\n"
        "<img src=x onerror=\"alert(1)\"><hr>proxy/1.0</body></html>\n";
    int status = (int)number(v, 502, 999);
    conn_reply(v->conn, status, "Content-Type: text/html; charset=utf-8\r\n", span_of(page));
    return status;
}

static int answer_echo(const struct visit *v)
{
    conn_reply(v->conn, 200, "Content-Type: application/octet-stream\r\n", v->req->body);
    return 200;
}

/* ---- modes of large answers ---- */

static void feed_letters(struct conn *c)
{
    static char block[16384];
    if (block[0] == 0)
        memset(block, 'x', sizeof(block));
    size_t n = c->feed_left < sizeof(block) ? (size_t)c->feed_left : sizeof(block);
    conn_raw(c, (struct span){block, n});
    c->feed_left -= n;
    if (c->feed_left == 0)
        conn_feed_done(c);
}

static int answer_big(const struct visit *v)
{
    uint64_t size = (uint64_t)span_number(v->rest, 64, BIG_MAX_KB) * 1024;
    char headers[128];
    (void)snprintf(headers, sizeof(headers),
                   "Content-Type: text/plain\r\nContent-Length: %llu\r\n\r\n",
                   (unsigned long long)size);
    conn_reply_head(v->conn, 500, headers);
    if (size)
        conn_flood(v->conn, feed_letters, size);
    return 500;
}

static int answer_endless_body(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "Content-Type: text/plain\r\nConnection: close\r\n\r\n");
    conn_flood(v->conn, feed_letters, UINT64_MAX);
    return 200;
}

static void feed_1xx(struct conn *c)
{
    for (int i = 0; i < 100; i++)
        conn_raw(c, span_of("HTTP/1.1 102 Processing\r\nX-Progress: not yet\r\n\r\n"));
}

static int answer_endless_1xx(const struct visit *v)
{
    conn_flood(v->conn, feed_1xx, UINT64_MAX);
    return 0;
}

/*
 * Zeros in deflate, without a compressor: with fixed Huffman codes "258 bytes from distance 1" is
 * 13 bits, so eight of them are 13 bytes that may be repeated for ever (RFC 1951 section 3.2.6).
 * The stream is cut off at its end: nobody who inflates it and survives gets that far.
 */
#define BOMB_ROUNDS 524288u /* of 13 bytes for 2,064: 6.5 MiB become 1 GiB */

static void feed_bomb(struct conn *c)
{
    /* code 285 is 11000101, first bit first, then five zero bits: LSB-first this is 0x00a3 */
    static const unsigned match = 0xa3;
    unsigned char round[13] = {0};
    for (unsigned i = 0; i < 8; i++)
        for (unsigned bit = 0; bit < 13; bit++)
            if (match >> bit & 1)
                round[(i * 13 + bit) / 8] |= (unsigned char)(1u << ((i * 13 + bit) % 8));
    for (int i = 0; i < 1024 && c->feed_left; i++, c->feed_left--)
        conn_raw(c, (struct span){(const char *)round, sizeof(round)});
    if (c->feed_left == 0)
        conn_feed_done(c);
}

static int answer_gzip_bomb(const struct visit *v)
{
    /* The gzip header, then 24 bits: a block's head (3), one zero (8) and its first repeat (13). */
    static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x63, 0x18, 0x05};
    char headers[160];
    (void)snprintf(headers, sizeof(headers),
                   "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   sizeof(head) + (size_t)BOMB_ROUNDS * 13);
    conn_reply_head(v->conn, 200, headers);
    conn_raw(v->conn, (struct span){(const char *)head, sizeof(head)});
    conn_flood(v->conn, feed_bomb, BOMB_ROUNDS);
    return 200;
}

static int answer_headers(const struct visit *v)
{
    unsigned n = number(v, 100, HEADERS_MAX);
    conn_reply_head(v->conn, 200, "");
    for (unsigned i = 0; i < n && !v->conn->dead; i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "X-Filler-%u: value of header %u\r\n", i, i);
        conn_raw(v->conn, (struct span){line, (size_t)len});
    }
    conn_raw(v->conn, span_of("Content-Length: 2\r\n\r\nok"));
    return 200;
}

static int answer_badbytes(const struct visit *v)
{
    static const char body[] = "before\0after \xff\xfe\xc3\x28 \xed\xa0\x80 \x1b[31mred\x07 end\n";
    conn_reply(v->conn, 500,
               "Content-Type: text/plain\r\nX-Bad: \xff\xfe\xc3\x28 caf\xe9\r\n\xe9t\xe9: name\r\n",
               (struct span){body, sizeof(body) - 1});
    return 500;
}

/* ---- modes of slow answers ---- */

static void drip_body(struct conn *c)
{
    conn_raw(c, span_of("x"));
}

static int answer_slow_body(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "Content-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n");
    conn_drip(v->conn, drip_body);
    return 200;
}

static int answer_slow_headers(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "X-Slow: ");
    conn_drip(v->conn, drip_body);
    return 0;
}

static int answer_hang(const struct visit *v)
{
    conn_hang(v->conn);
    return 0;
}

/* ---- modes of a broken connection ---- */

static int answer_close(const struct visit *v)
{
    conn_kill(v->conn, false);
    return 0;
}

static int answer_rst(const struct visit *v)
{
    conn_kill(v->conn, true);
    return 0;
}

static int answer_rst_mid(const struct visit *v)
{
    conn_raw(v->conn, span_of("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it"));
    conn_reset_in(v->conn, 20); /* else the client may see nothing but the reset */
    return 200;
}

static int answer_keepalive_close(const struct visit *v)
{
    (void)answer_ok(v);
    if (number(v, 0, DELAY_MAX_MS) > 0)
        conn_close_in(v->conn, number(v, 0, DELAY_MAX_MS));
    else
        conn_close_after(v->conn);
    return 204;
}

static int answer_early_close(const struct visit *v)
{
    conn_reply(v->conn, 413, "Connection: close\r\n", span_of("too large, not read\n"));
    conn_close_after(v->conn);
    return 413;
}

/* ---- modes that are not HTTP: fixed bytes, then the end ---- */

#define RAW(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct {
    const char *mode;
    struct span bytes;
} raw_answers[] = {
    {"garbage", RAW("\x00\x01\x02\xff\xfe this is not HTTP at all \r\n\r\n\x00\x80")},
    {"http09", RAW("just a body, as in 1991\n")},
    {"wrong-length", RAW("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nten bytes.")},
    {"bad-length", RAW("HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\nok")},
    {"two-lengths", RAW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nok")},
    {"bad-chunk",
     RAW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n")},
    {"nul-header", RAW("HTTP/1.1 500 No\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\nno")},
};

static int answer_raw(const struct visit *v)
{
    for (size_t i = 0; i < sizeof(raw_answers) / sizeof(raw_answers[0]); i++)
        if (strcmp(v->name, raw_answers[i].mode) == 0)
            conn_raw(v->conn, raw_answers[i].bytes);
    conn_close_after(v->conn);
    return 0;
}

/* ---- the table ---- */

static const struct mode {
    const char *name;
    mode_answer *answer;
    bool head_only;
    const char *about;
} modes[] = {
    {"ok", answer_ok, false, "204"},
    {"status", answer_status, false, "/NNN: that status; ?body= ?retry-after= ?type="},
    {"delay", answer_delay, false, "/MS: 204 after so many milliseconds"},
    {"hang", answer_hang, false, "never answers"},
    {"slow-body", answer_slow_body, false, "200, then a byte of the body a second"},
    {"slow-headers", answer_slow_headers, false, "a byte of a header a second"},
    {"endless-body", answer_endless_body, false, "200 and a body without end"},
    {"endless-1xx", answer_endless_1xx, false, "interim answers without end"},
    {"close", answer_close, false, "closes without a byte"},
    {"rst", answer_rst, false, "resets the connection after reading"},
    {"rst-mid", answer_rst_mid, false, "resets it in the middle of the body"},
    {"garbage", answer_raw, false, "bytes that are not HTTP"},
    {"http09", answer_raw, false, "a body without status and headers"},
    {"wrong-length", answer_raw, false, "Content-Length 1000, ten bytes, the end"},
    {"bad-length", answer_raw, false, "Content-Length: banana"},
    {"two-lengths", answer_raw, false, "two Content-Length headers that differ"},
    {"bad-chunk", answer_raw, false, "chunked, with a size that is no number"},
    {"nul-header", answer_raw, false, "500 with a NUL in a header value"},
    {"gzip-bomb", answer_gzip_bomb, false, "6.5 MiB that inflate to 1 GiB"},
    {"headers", answer_headers, false, "/N: 200 with N headers"},
    {"redirect", answer_redirect, false, "[/NNN]: 302 to /ok, or to ?to=URL"},
    {"early", answer_ok, true, "204 before the body is read, which is then read"},
    {"early-close", answer_early_close, true, "413 before the body is read, then closes"},
    {"keepalive-close", answer_keepalive_close, false, "[/MS]: 204, then closes unannounced"},
    {"flaky", answer_flaky, false, "/N: 503 the first N times it sees a webhook-id, then 204"},
    {"down-until-told", answer_down, false, "/NAME: 503 until POST /_control/up?name=NAME"},
    {"gone", answer_gone, false, "410"},
    {"big", answer_big, false, "/KB: 500 with a body of that size"},
    {"json-error", answer_json_error, false, "500 with a JSON error that names an order"},
    {"html-error", answer_html_error, false, "[/NNN]: 502 with a hostile HTML page"},
    {"badbytes", answer_badbytes, false, "500, invalid UTF-8 in headers, also NUL in the body"},
    {"echo", answer_echo, false, "200 with the body that was sent"},
};

static const struct mode *mode_find(struct span name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (span_is(name, modes[i].name))
            return &modes[i];
    return NULL;
}

/* The mode a path names; `rest` is what follows. */
static const struct mode *mode_of(struct span path, struct span *rest, bool *recorded)
{
    *rest = span_skip(path, 1);
    struct span name = span_cut(rest, '/');
    *recorded = span_is(name, "rec");
    if (*recorded)
        name = span_cut(rest, '/');
    return mode_find(name);
}

bool modes_wants_head_only(const struct request *r)
{
    struct span rest;
    bool recorded;
    const struct mode *mode = mode_of(r->path, &rest, &recorded);
    return mode && mode->head_only;
}

void modes_serve(struct conn *c, const struct request *r)
{
    bool recorded;
    struct visit v = {.conn = c, .req = r};
    if (span_starts(r->path, span_of("/_control/"))) {
        control_serve(c, r);
        return;
    }
    const struct mode *mode = mode_of(r->path, &v.rest, &recorded);
    if (!mode) {
        conn_reply(c, 404, "", span_of("no such mode, see peer --help\n"));
        return;
    }
    if (recorded)
        record_keep(r, c->serial);
    struct seen_mark mark = seen_note(r->path, r->webhook_id, r->body);
    v.name = mode->name;
    v.before = mark.before;
    seen_answered(mark, mode->answer(&v));
}

void modes_print(FILE *to)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        fprintf(to, "  /%-16s %s\n", modes[i].name, modes[i].about);
}

static int name_index(const char *name)
{
    for (size_t i = 0; i < up_count; i++)
        if (strcmp(up_names[i], name) == 0)
            return (int)i;
    return -1;
}

int modes_set_up(const char *name, bool up)
{
    int at = name_index(name);
    if (up == (at >= 0))
        return 0;
    if (!up) {
        memmove(up_names[at], up_names[--up_count], NAME_BYTES);
        return 0;
    }
    if (up_count == NAMES || strlen(name) >= NAME_BYTES)
        return -1;
    (void)snprintf(up_names[up_count++], NAME_BYTES, "%s", name);
    return 0;
}

void modes_reset(void)
{
    up_count = 0;
}
