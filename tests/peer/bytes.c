/*
 * Owns the process-wide count of buffered bytes. Must never hold more than BYTES_BUDGET: the peer
 * stands in front of programs under test, which may send anything for ever. Memory only.
 */
#include "tests/peer/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 4096

static size_t budget_used;

int bytes_reserve(struct bytes *b, size_t extra)
{
    if (extra > BYTES_BUDGET)
        return -1;
    if (b->cap - b->len >= extra)
        return 0;
    size_t cap = b->cap ? b->cap : 256;
    while (cap - b->len < extra)
        cap *= 2;
    if (budget_used - b->cap + cap > BYTES_BUDGET)
        return -1;
    char *data = realloc(b->data, cap);
    if (!data)
        return -1;
    budget_used += cap - b->cap;
    b->data = data;
    b->cap = cap;
    return 0;
}

int bytes_append(struct bytes *b, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    if (bytes_reserve(b, len) < 0)
        return -1;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

int bytes_text(struct bytes *b, const char *text)
{
    return bytes_append(b, text, strlen(text));
}

int bytes_printf(struct bytes *b, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(line))
        return -1;
    return bytes_append(b, line, (size_t)n);
}

int bytes_json(struct bytes *b, struct span text)
{
    if (bytes_reserve(b, text.len * 6 + 2) < 0)
        return -1;
    char *to = b->data + b->len;
    *to++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char ch = (unsigned char)text.p[i];
        if (ch >= 0x20 && ch < 0x7f && ch != '"' && ch != '\\')
            *to++ = (char)ch;
        else
            to += snprintf(to, 7, "\\u%04x", ch);
    }
    *to++ = '"';
    b->len = (size_t)(to - b->data);
    return 0;
}

int bytes_base64(struct bytes *b, struct span data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (bytes_reserve(b, (data.len + 2) / 3 * 4) < 0)
        return -1;
    const unsigned char *p = (const unsigned char *)data.p;
    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        unsigned v = (unsigned)p[i] << 16;
        v |= left > 1 ? (unsigned)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0u;
        b->data[b->len++] = digits[v >> 18];
        b->data[b->len++] = digits[(v >> 12) & 63];
        b->data[b->len++] = left > 1 ? digits[(v >> 6) & 63] : '=';
        b->data[b->len++] = left > 2 ? digits[v & 63] : '=';
    }
    return 0;
}

void bytes_consume(struct bytes *b, size_t n)
{
    if (n >= b->len) {
        bytes_clear(b);
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

void bytes_clear(struct bytes *b)
{
    b->len = 0;
    if (b->cap > KEEP_BYTES)
        bytes_release(b);
}

void bytes_release(struct bytes *b)
{
    budget_used -= b->cap;
    free(b->data);
    *b = (struct bytes){0};
}
