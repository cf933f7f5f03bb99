/*
 * One-dimensional PostgreSQL arrays in binary form, built element by element.
 *
 * The layout is array_send()'s (src/backend/utils/adt/arrayfuncs.c): ndim, has-null flag, element type, length, lower
 * bound, then each element as a 4-byte length (-1 for NULL) and its bytes, everything big-endian. Binary because text
 * hex cost two thirds of the ingest rate (measured).
 */
#ifndef DLO_COMMON_PG_ARRAY_H
#define DLO_COMMON_PG_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/ids.h"

/* Element types: the server's fixed type numbers (pg_type.dat). */
enum pg_type {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_UUID = 2950
};

#define PG_ARRAY_HEADER_BYTES 20 /* before the first element */

struct pg_array {
    struct buf bytes;
    int32_t count;
};

void pg_array_init(struct pg_array *a, enum pg_type type, size_t cap_bytes);
void pg_array_release(struct pg_array *a);
void pg_array_clear(struct pg_array *a); /* no elements; keeps type and memory */

void pg_array_null(struct pg_array *a);
void pg_array_bool(struct pg_array *a, bool v);
void pg_array_int2(struct pg_array *a, int16_t v);
void pg_array_int4(struct pg_array *a, int32_t v);
void pg_array_int8(struct pg_array *a, int64_t v);
void pg_array_uuid(struct pg_array *a, const struct uuid *v);
void pg_array_bytes(struct pg_array *a, const void *p,
                    size_t n); /* bytea, or text that is valid UTF-8 without NUL */
void pg_array_text(struct pg_array *a, const char *s); /* NULL: NULL */

#endif
