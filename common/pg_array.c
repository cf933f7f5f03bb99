/* See pg_array.h. Memory only. */
#include "common/pg_array.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

static void put32(char *to, int32_t v)
{
    uint32_t be = htonl((uint32_t)v);
    memcpy(to, &be, 4);
}

/* ndim 1, has-null 1 (allowed to be true without NULLs), type, length, lower bound 1 */
void pg_array_init(struct pg_array *a, enum pg_type type, size_t cap_bytes)
{
    buf_init(&a->bytes, cap_bytes + PG_ARRAY_HEADER_BYTES);
    a->count = 0;
    char *h = buf_reserve(&a->bytes, PG_ARRAY_HEADER_BYTES);
    if (!h)
        return;
    put32(h, 1);
    put32(h + 4, 1);
    put32(h + 8, (int32_t)type);
    put32(h + 12, 0);
    put32(h + 16, 1);
    buf_grown(&a->bytes, PG_ARRAY_HEADER_BYTES);
}

void pg_array_release(struct pg_array *a)
{
    buf_release(&a->bytes);
    a->count = 0;
}

void pg_array_clear(struct pg_array *a)
{
    a->bytes.len = PG_ARRAY_HEADER_BYTES;
    a->bytes.failed = false;
    a->count = 0;
    put32(a->bytes.data + 12, 0);
}

static void element(struct pg_array *a, const void *p, size_t n, int32_t length)
{
    char *to = buf_reserve(&a->bytes, 4 + n);
    if (!to)
        return;
    put32(to, length);
    if (n)
        memcpy(to + 4, p, n);
    buf_grown(&a->bytes, 4 + n);
    put32(a->bytes.data + 12, ++a->count);
}

void pg_array_null(struct pg_array *a)
{
    element(a, NULL, 0, -1);
}

void pg_array_bytes(struct pg_array *a, const void *p, size_t n)
{
    element(a, p, n, (int32_t)n);
}

void pg_array_bool(struct pg_array *a, bool v)
{
    pg_array_bytes(a, v ? "\1" : "\0", 1);
}

void pg_array_int2(struct pg_array *a, int16_t v)
{
    uint16_t be = htons((uint16_t)v);
    pg_array_bytes(a, &be, sizeof be);
}

void pg_array_int4(struct pg_array *a, int32_t v)
{
    uint32_t be = htonl((uint32_t)v);
    pg_array_bytes(a, &be, sizeof be);
}

void pg_array_int8(struct pg_array *a, int64_t v)
{
    uint64_t be = htobe64((uint64_t)v);
    pg_array_bytes(a, &be, sizeof be);
}

void pg_array_uuid(struct pg_array *a, const struct uuid *v)
{
    pg_array_bytes(a, v->b, sizeof v->b);
}

void pg_array_text(struct pg_array *a, const char *s)
{
    if (s)
        pg_array_bytes(a, s, strlen(s));
    else
        pg_array_null(a);
}
