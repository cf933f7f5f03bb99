/*
 * The schema's part of shape.h. Memory only.
 *
 * STUB until common/json_schema is there: it takes every payload. With it this function is
 *     json_schema_new (-1: SHAPE_CODE_SCHEMA_INVALID), json_schema_check (INVALID: SHAPE_CODE_SCHEMA_REJECTED, TOO_COSTLY:
 *     SHAPE_CODE_SCHEMA_COSTLY, NO_MEMORY: SHAPE_CODE_MEMORY), `why` from the problem's pointer and detail, json_schema_free.
 */
#include "worker/shape.h"

enum shape_code shape_schema(const char *schema, size_t schema_len, const char *json, size_t n,
                             char *why)
{
    (void)schema;
    (void)schema_len;
    (void)json;
    (void)n;
    (void)why;
    return SHAPE_CODE_OK;
}
