/* See row.h. Pure. */
#include "worker/row.h"

#include <endian.h>
#include <string.h>

int16_t row_int2(const PGresult *res, int i, int col)
{
    uint16_t v;
    memcpy(&v, PQgetvalue(res, i, col), sizeof v);
    return (int16_t)be16toh(v);
}

int32_t row_int4(const PGresult *res, int i, int col)
{
    uint32_t v;
    memcpy(&v, PQgetvalue(res, i, col), sizeof v);
    return (int32_t)be32toh(v);
}

int64_t row_int8(const PGresult *res, int i, int col)
{
    uint64_t v;
    memcpy(&v, PQgetvalue(res, i, col), sizeof v);
    return (int64_t)be64toh(v);
}

bool row_bool(const PGresult *res, int i, int col)
{
    return PQgetvalue(res, i, col)[0] != 0;
}

static void read_uuid(const PGresult *res, int i, int col, struct uuid *out)
{
    memcpy(out->b, PQgetvalue(res, i, col), sizeof out->b);
}

void row_read(const PGresult *res, int i, struct delivery *d)
{
    d->shard = row_int2(res, i, 0);
    d->pos = row_int8(res, i, 1);
    d->project_id = row_int4(res, i, 3);
    d->payload_bytes = row_int4(res, i, 4);
    d->source_drawer = row_int4(res, i, 5);
    d->tries = row_int2(res, i, 6);
    d->class_ = row_int2(res, i, 7);
    d->generation = row_int2(res, i, 8);
    d->shaped = row_bool(res, i, 12);
    read_uuid(res, i, 9, &d->id);
    read_uuid(res, i, 10, &d->event_id);
    d->has_entry = !PQgetisnull(res, i, 11);
    if (d->has_entry)
        read_uuid(res, i, 11, &d->entry_id);
}
