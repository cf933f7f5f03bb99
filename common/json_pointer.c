/* See json_pointer.h. Owns nothing. Must never recurse: places may be chained thousands deep. */
#include "common/json_pointer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tokens beyond these are not told: the innermost are left out, so that what is told is where to begin to look. */
#define TOLD_DEPTH 64
#define TOKEN_BYTES 512

/* "~" and "/" as RFC 6901 section 4 writes them. The bytes written, 0 if the whole token does not fit. */
static size_t write_key(const char *key, char *out, size_t cap)
{
    size_t n = 0;
    for (; *key; key++) {
        const char *escaped = *key == '~' ? "~0" : *key == '/' ? "~1" : NULL;
        if (n + 2 >= cap)
            return 0;
        if (escaped) {
            out[n++] = escaped[0];
            out[n++] = escaped[1];
        } else {
            out[n++] = *key;
        }
    }
    return n;
}

void json_pointer_mend(char *text)
{
    size_t n = strlen(text), begin = n;
    while (begin > 0 && n - begin < 3 && ((unsigned char)text[begin - 1] & 0xc0) == 0x80)
        begin--;
    unsigned char first = begin > 0 ? (unsigned char)text[begin - 1] : 0;
    size_t following = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0;
    if (n - begin < following)
        text[begin - 1] = '\0';
}

/* As much of the key as fits, up to what would have to be escaped. */
static size_t write_cut_key(const char *key, char *out, size_t cap)
{
    size_t n = strcspn(key, "~/");
    n = n < cap - 1 ? n : cap - 1;
    memcpy(out, key, n);
    out[n] = '\0';
    json_pointer_mend(out);
    return strlen(out);
}

static size_t write_token(const struct json_place *at, char *out, size_t cap, int first)
{
    size_t n = 0;
    if (cap < 2)
        return 0;
    out[0] = '/';
    if (at->key) {
        n = write_key(at->key, out + 1, cap - 1);
        if (n == 0 && *at->key && !first)
            return 0;
        if (n == 0)
            n = write_cut_key(at->key, out + 1, cap - 1);
        return n + 1;
    }
    int len = snprintf(out + 1, cap - 1, "%zu", at->index);
    return len > 0 && (size_t)len < cap - 1 ? (size_t)len + 1 : 0;
}

void json_pointer_write(const struct json_place *at, char *out, size_t cap)
{
    const struct json_place *chain[TOLD_DEPTH];
    size_t depth = 0, used = 0;
    for (const struct json_place *p = at; p && p->up; p = p->up)
        depth++;
    size_t i = depth;
    for (const struct json_place *p = at; p && p->up; p = p->up)
        if (--i < TOLD_DEPTH)
            chain[i] = p;
    for (i = 0; i < depth && i < TOLD_DEPTH; i++) {
        size_t n = write_token(chain[i], out + used, cap - used, i == 0);
        if (n == 0)
            break;
        used += n;
    }
    out[used] = '\0';
}

/* The token at p, up to the next "/", decoded. -1: "~" before something else than 0 and 1, or too long for us. */
static int read_token(const char *p, size_t n, char out[TOKEN_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (used + 1 == TOKEN_BYTES)
            return -1;
        if (c == '~') {
            if (i + 1 == n || (p[i + 1] != '0' && p[i + 1] != '1'))
                return -1;
            c = p[++i] == '0' ? '~' : '/';
        }
        out[used++] = c;
    }
    out[used] = '\0';
    return 0;
}

/* An index is digits without a leading zero (RFC 6901 section 4). */
static const json_t *element(const json_t *array, const char *token, struct json_place *step)
{
    size_t n = strspn(token, "0123456789");
    if (n == 0 || n > 9 || token[n] || (n > 1 && token[0] == '0'))
        return NULL;
    step->key = NULL;
    step->index = strtoul(token, NULL, 10);
    return json_array_get(array, step->index);
}

static const json_t *member(const json_t *object, const char *token, struct json_place *step)
{
    void *at = json_object_iter_at((json_t *)(uintptr_t)object, token);
    if (!at)
        return NULL;
    step->key = json_object_iter_key(at);
    return json_object_iter_value(at);
}

const json_t *json_pointer_step(const json_t *json, const char **pointer, struct json_place *step)
{
    char token[TOKEN_BYTES];
    const char *p = *pointer + 1;
    size_t n = strcspn(p, "/");
    *pointer = p + n;
    if (read_token(p, n, token) < 0)
        return NULL;
    return json_is_array(json) ? element(json, token, step) : member(json, token, step);
}
