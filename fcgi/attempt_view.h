/*
 * attempt_view: attempts as API.md "Deliveries" shows them, from entry_attempts.sql or delivery_attempts.sql, which
 * have the same columns. One without a request (kind 1) is a verdict: it is shown apart and is not counted.
 */
#ifndef DLO_FCGI_ATTEMPT_VIEW_H
#define DLO_FCGI_ATTEMPT_VIEW_H

#include <stdbool.h>

#include <jansson.h>

#include "common/db.h"

bool attempt_view_verdict(const PGresult *res, int row);
int attempt_view_number(const PGresult *res, int row);
/* One attempt, or NULL: out of memory. */
json_t *attempt_view_row(const PGresult *res, int row);
/* Adds attempts[] (requests only) and terminalAttempt: what ended the delivery, a request or a verdict, or null. */
void attempt_view_add(json_t *to, const PGresult *res);

/* Bytes as JSON: text with encoding utf-8 where they are text, else base64. Sets the two members of `to`. */
void attempt_view_bytes(json_t *to, const char *member, const void *p, size_t n);

#endif
