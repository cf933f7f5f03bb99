/*
 * base64: bytes as letters and back.
 *
 * Owns nothing. OpenSSL encodes; its decoder is not used, because it takes spaces at both ends,
 * counts padding as bytes and needs room for them. It must never read behind len: texts come from
 * tenants. A crash leaves nothing.
 */
#include "common/base64.h"

#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#define CHUNK (3 * 1024 * 1024) /* OpenSSL counts in int; a multiple of 3 joins without padding */

size_t base64_encode(const void *in, size_t n, char *out)
{
    const unsigned char *p = in;
    size_t at = 0;

    out[0] = '\0';
    while (n > 0) {
        size_t part = n < CHUNK ? n : CHUNK;

        at += (size_t)EVP_EncodeBlock((unsigned char *)out + at, p, (int)part);
        p += part;
        n -= part;
    }
    return at;
}

size_t base64_encode_bare(const void *in, size_t n, char *out)
{
    size_t len = base64_encode(in, n, out);

    while (len > 0 && out[len - 1] == '=')
        out[--len] = '\0';
    return len;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The length without padding, or -1 (as SIZE_MAX) when there is padding that does not fit. */
static size_t digits_in(const char *text, size_t len)
{
    size_t n = len;

    while (n > 0 && len - n < 2 && text[n - 1] == '=')
        n--;
    if ((n != len && len % 4 != 0) || n % 4 == 1)
        return SIZE_MAX;
    return n;
}

int base64_decode(const char *text, size_t len, unsigned char *out, size_t cap, size_t *n)
{
    size_t count = digits_in(text, len), at = 0;
    uint32_t acc = 0;
    unsigned bits = 0;

    if (count == SIZE_MAX || count / 4 * 3 + count % 4 * 3 / 4 > cap)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int value = digit(text[i]);

        if (value < 0)
            return -1;
        acc = acc << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[at++] = (unsigned char)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    *n = at;
    return 0;
}
