/*
 * Rows of `ready` as heads.sql and overdue_holds.sql return them, in binary form (big-endian, fixed width).
 */
#ifndef DLO_WORKER_ROW_H
#define DLO_WORKER_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "worker/delivery.h"

int16_t row_int2(const PGresult *res, int i, int col);
int32_t row_int4(const PGresult *res, int i, int col);
int64_t row_int8(const PGresult *res, int i, int col);
bool row_bool(const PGresult *res, int i, int col);
/* The columns that both statements have in common, into the delivery. */
void row_read(const PGresult *res, int i, struct delivery *d);

#endif
