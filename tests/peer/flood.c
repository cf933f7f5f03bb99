/*
 * See flood.h. Owns nothing: what is sent is made whenever the connection has sent what it had, so that an endless
 * answer takes no memory here. Memory only.
 */
#include "tests/peer/flood.h"

#include <stdio.h>
#include <string.h>

#include "tests/peer/conn.h"

#define HEADERS_MAX 100000u
#define BIG_MAX_KB (64ul << 10)
#define PLAIN "Content-Type: text/plain\r\n"

/* ---- letters ---- */

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

static uint64_t kilobytes(const struct visit *v, unsigned fallback)
{
    return (uint64_t)span_number(v->rest, fallback, BIG_MAX_KB) * 1024;
}

int flood_big(const struct visit *v)
{
    uint64_t size = kilobytes(v, 64);
    char headers[128];
    (void)snprintf(headers, sizeof(headers), PLAIN "Content-Length: %llu\r\n\r\n",
                   (unsigned long long)size);
    conn_reply_head(v->conn, 500, headers);
    if (size)
        conn_flood(v->conn, feed_letters, size);
    return 500;
}

int flood_body(const struct visit *v)
{
    conn_reply_head(v->conn, 200, PLAIN "Connection: close\r\n\r\n");
    conn_flood(v->conn, feed_letters, UINT64_MAX);
    return 200;
}

/* One header line, or the reason of a status line, that does not end before so many bytes. */
int flood_long_header(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "X-Long: ");
    conn_flood(v->conn, feed_letters, kilobytes(v, 1024));
    return 200;
}

int flood_long_status(const struct visit *v)
{
    conn_raw(v->conn, span_of("HTTP/1.1 200 "));
    conn_flood(v->conn, feed_letters, kilobytes(v, 1024));
    return 200;
}

/* ---- the same again and again ---- */

#define REPEATED(what, text)                                                                       \
    static void feed_##what(struct conn *c)                                                        \
    {                                                                                              \
        for (int i = 0; i < 100; i++)                                                              \
            conn_raw(c, span_of(text));                                                            \
    }

REPEATED(interim, "HTTP/1.1 102 Processing\r\nX-Progress: not yet\r\n\r\n")
REPEATED(headers, "a:b\r\n") /* what they cost is what is kept beside each */
REPEATED(chunks, "1;ext=\"of a chunk\"\r\nx\r\n")
REPEATED(trailers, "a:b\r\n")

int flood_interim(const struct visit *v)
{
    conn_flood(v->conn, feed_interim, UINT64_MAX);
    return 0;
}

int flood_headers(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "");
    conn_flood(v->conn, feed_headers, UINT64_MAX);
    return 200;
}

int flood_chunks(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "Transfer-Encoding: chunked\r\n\r\n");
    conn_flood(v->conn, feed_chunks, UINT64_MAX);
    return 200;
}

int flood_trailers(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n");
    conn_flood(v->conn, feed_trailers, UINT64_MAX);
    return 200;
}

int flood_many_headers(const struct visit *v)
{
    unsigned n = visit_number(v, 100, HEADERS_MAX);
    conn_reply_head(v->conn, 200, "");
    for (unsigned i = 0; i < n && !v->conn->dead; i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "X-Filler-%u: value of header %u\r\n", i, i);
        conn_raw(v->conn, (struct span){line, (size_t)len});
    }
    conn_raw(v->conn, span_of("Content-Length: 2\r\n\r\nok"));
    return 200;
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

/* The gzip header, then 24 bits: a block's head (3), one zero (8) and its first repeat (13). */
static const unsigned char bomb_head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x63, 0x18, 0x05};

static int bomb(const struct visit *v, const char *headers)
{
    conn_reply_head(v->conn, 200, headers);
    conn_raw(v->conn, (struct span){(const char *)bomb_head, sizeof(bomb_head)});
    conn_flood(v->conn, feed_bomb, BOMB_ROUNDS);
    return 200;
}

int flood_bomb(const struct visit *v)
{
    char headers[160];
    (void)snprintf(headers, sizeof(headers),
                   PLAIN "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                   sizeof(bomb_head) + (size_t)BOMB_ROUNDS * 13);
    return bomb(v, headers);
}

/* libcurl decodes this one whether it was asked to or not. */
int flood_transfer_bomb(const struct visit *v)
{
    return bomb(v, PLAIN "Transfer-Encoding: gzip\r\nConnection: close\r\n\r\n");
}
