/* See raw.h. The status is what a client may believe of the bytes, 0 for none. Memory only. */
#include "tests/peer/raw.h"

#include "tests/peer/conn.h"

#define RAW(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static const struct raw {
    const char *name;
    int status;
    const char *about;
    struct span bytes;
} answers[] = {
    {"garbage", 0, "bytes that are not HTTP",
     RAW("\x00\x01\x02\xff\xfe this is not HTTP at all \r\n\r\n\x00\x80")},
    {"http09", 0, "a body without status and headers", RAW("just a body, as in 1991\n")},
    {"http2-preface", 0, "what a client of HTTP/2 begins with, and a frame",
     RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")},
    {"http2-frames", 0, "a SETTINGS frame, then GOAWAY",
     RAW("\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01")},
    {"http3-status", 0, "a version that does not exist", RAW("HTTP/9.9 200 OK\r\n\r\n")},
    {"no-status", 0, "HTTP/1.1 and no status", RAW("HTTP/1.1\r\nContent-Length: 0\r\n\r\n")},
    {"word-status", 0, "a word for a status", RAW("HTTP/1.1 fine OK\r\nContent-Length: 0\r\n\r\n")},
    {"negative-status", 0, "HTTP/1.1 -20", RAW("HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n")},
    {"long-number", 0, "a status of four digits",
     RAW("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n")},
    {"zero-status", 0, "HTTP/1.1 000", RAW("HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n")},
    {"switching", 0, "101 to something else, and its bytes",
     RAW("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\nhello")},
    {"only-interim", 0, "103 and the end", RAW("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")},
    {"half-status", 0, "the end within the status line", RAW("HTTP/1.1 20")},
    {"half-headers", 200, "the end within the headers", RAW(OK "X-Half: yes\r\nX-Othe")},
    {"wrong-length", 200, "Content-Length 1000, ten bytes, the end",
     RAW(OK "Content-Length: 1000\r\n\r\nten bytes.")},
    {"short-length", 200, "Content-Length 2 and a second answer behind it",
     RAW(OK "Content-Length: 2\r\n\r\nokHTTP/1.1 500 Later\r\nContent-Length: 0\r\n\r\n")},
    {"negative-length", 200, "Content-Length: -1", RAW(OK "Content-Length: -1\r\n\r\nok")},
    {"huge-length", 200, "a Content-Length that no integer holds",
     RAW(OK "Content-Length: 99999999999999999999999999\r\n\r\nok")},
    {"bad-length", 200, "Content-Length: banana", RAW(OK "Content-Length: banana\r\n\r\nok")},
    {"two-lengths", 200, "two Content-Length headers that differ",
     RAW(OK "Content-Length: 2\r\nContent-Length: 5\r\n\r\nok")},
    {"length-and-chunked", 200, "both of the ways to say where a body ends",
     RAW(OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")},
    {"bad-chunk", 200, "chunked, with a size that is no number",
     RAW(CHUNKED "zz\r\nok\r\n0\r\n\r\n")},
    {"huge-chunk", 200, "a chunk size that no integer holds",
     RAW(CHUNKED "fffffffffffffffffff\r\nok\r\n0\r\n\r\n")},
    {"cut-chunk", 200, "the end within a chunk", RAW(CHUNKED "ff\r\nok")},
    {"failed-chunk", 503, "503 in broken chunks",
     RAW("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nnoXX")},
    {"trailers", 200, "chunked, with trailers, one of them Retry-After",
     RAW(CHUNKED "2\r\nok\r\n0\r\nX-Sum: 1\r\nRetry-After: 3600\r\nHTTP/1.1 500 No\r\n\r\n")},
    {"nul-header", 500, "500 with a NUL in a header value",
     RAW("HTTP/1.1 500 No\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\nno")},
    {"nul-status", 0, "a NUL in the status line",
     RAW("HTTP/1.1 5\0000 No\r\nContent-Length: 2\r\n\r\nno")},
    {"no-colon", 200, "a header without a colon",
     RAW(OK "this is no header\r\nContent-Length: 2\r\n\r\nok")},
    {"folded", 500, "a header folded over two lines, and one that begins with a colon",
     RAW("HTTP/1.1 500 No\r\nX-Folded: one\r\n two\r\n: nameless\r\nContent-Length: 2\r\n\r\nno")},
    {"bare-lf", 200, "lines that end in LF alone", RAW("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")},
};

static const struct raw *find(struct span name)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (span_is(name, answers[i].name))
            return &answers[i];
    return NULL;
}

bool raw_knows(struct span name)
{
    return find(name) != NULL;
}

int raw_answer(const struct visit *v)
{
    const struct raw *r = find(v->name);
    conn_raw(v->conn, r->bytes);
    conn_close_after(v->conn);
    return r->status;
}

void raw_print(FILE *to)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        fprintf(to, "  /%-18s %s\n", answers[i].name, answers[i].about);
}
