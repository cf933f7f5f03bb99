/* See webhook_pointer.h. Pure. */
#include "fcgi/webhook_pointer.h"

#include <string.h>

static const char *escape_of(char c)
{
    return c == '~' ? "~0" : c == '/' ? "~1" : NULL;
}

static size_t append(char *out, size_t cap, size_t len, const char *s, size_t n)
{
    if (len + n >= cap)
        return len;
    memcpy(out + len, s, n);
    return len + n;
}

static size_t utf8_length(const char *s)
{
    size_t n = 1;
    while (((unsigned char)s[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static size_t append_token(char *out, size_t cap, size_t len, const char *token)
{
    len = append(out, cap, len, "/", 1);
    for (size_t n; *token; token += n) {
        const char *escape = escape_of(*token);
        n = utf8_length(token);
        size_t before = len;
        len = append(out, cap, len, escape ? escape : token, escape ? 2 : n);
        if (len == before)
            break;
    }
    return len;
}

void webhook_pointer(const char *field, const char *member, char *out, size_t cap)
{
    size_t len = append_token(out, cap, 0, field);
    if (member)
        len = append_token(out, cap, len, member);
    out[len] = '\0';
}
