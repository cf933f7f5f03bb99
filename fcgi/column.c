/* See column.h. Memory only. */
#include "fcgi/column.h"

#include <stdio.h>
#include <stdlib.h>

#include "fcgi/instant.h"

int64_t column_us(const PGresult *res, int row, int at)
{
    char text[48];
    int64_t us = 0;
    /* the server writes 2026-11-22 10:00:00.1+00: all but the minutes of the offset */
    int n = snprintf(text, sizeof text, "%s:00", db_text(res, row, at));
    if (n < 0 || (size_t)n >= sizeof text || instant_parse(text, (size_t)n, &us) != INSTANT_OK)
        return 0;
    return us;
}

json_t *column_instant(int64_t us)
{
    char text[INSTANT_TEXT_MAX];
    instant_text(us, text);
    return json_string(text);
}

static json_t *id_of(const PGresult *res, int row, const struct column *column)
{
    struct uuid id;
    char text[IDS_TEXT_MAX];
    if (db_uuid(res, row, column->at, &id) != 0)
        return json_null();
    ids_format(column->kind, &id, text);
    return json_string(text);
}

static json_t *code_of(int64_t code)
{
    return code ? json_integer(code) : json_null();
}

static json_t *name_of(const char *name)
{
    return name ? json_string(name) : json_null();
}

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    return value ? value : json_null();
}

json_t *column_value(const PGresult *res, int row, const struct column *column)
{
    if (db_null(res, row, column->at))
        return json_null();
    switch (column->shape) {
    case COLUMN_INT:
        return json_integer(db_int(res, row, column->at));
    case COLUMN_CODE:
        return code_of(db_int(res, row, column->at));
    case COLUMN_BOOL:
        return json_boolean(db_bool(res, row, column->at));
    case COLUMN_TIME:
        return column_instant(column_us(res, row, column->at));
    case COLUMN_ID:
        return id_of(res, row, column);
    case COLUMN_NAME:
        return name_of(column->name((int)db_int(res, row, column->at)));
    case COLUMN_JSON:
        return json_of(db_text(res, row, column->at));
    case COLUMN_TEXT:
    case COLUMN_UUID:
        break;
    }
    return json_string(db_text(res, row, column->at));
}

json_t *column_object(const PGresult *res, int row, const struct column *columns, size_t n)
{
    json_t *o = json_object();
    for (size_t i = 0; o && i < n; i++)
        if (json_object_set_new(o, columns[i].member, column_value(res, row, &columns[i])) != 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}
