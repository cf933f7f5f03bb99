/*
 * column: columns of a result as members of a JSON object, by a table.
 *
 *     static const struct column members[] = {
 *         {"id", 0, COLUMN_ID, .kind = ID_ENTRY},
 *         {"createdAt", 19, COLUMN_TIME},
 *     };
 *     json_t *o = column_object(res, row, members, sizeof members / sizeof *members);
 *
 * SQL NULL is null, whatever the shape. Times are shown as API.md "Time" says.
 */
#ifndef DLO_FCGI_COLUMN_H
#define DLO_FCGI_COLUMN_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/db.h"

enum column_shape {
    COLUMN_TEXT,
    COLUMN_INT,
    COLUMN_CODE, /* an integer whose 0 means none, and is null */
    COLUMN_BOOL,
    COLUMN_TIME,
    COLUMN_ID,   /* uuid, shown with the prefix of .kind */
    COLUMN_UUID, /* uuid as it is, for seed 000's routes */
    COLUMN_NAME, /* a number shown by its .name */
    COLUMN_JSON
};

struct column {
    const char *member;
    int at;
    enum column_shape shape;
    enum ids_kind kind;
    const char *(*name)(int);
};

/* A new value; never NULL unless memory is out. */
json_t *column_value(const PGresult *res, int row, const struct column *column);
/* A new object with one member per column, or NULL: out of memory. */
json_t *column_object(const PGresult *res, int row, const struct column *columns, size_t n);

/* A time column as microseconds since 1970; 0 for NULL. */
int64_t column_us(const PGresult *res, int row, int at);
/* Microseconds since 1970 as a JSON string. */
json_t *column_instant(int64_t us);

#endif
