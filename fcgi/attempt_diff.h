/*
 * attempt_diff: what differs between two attempts of one delivery: outcome, headers of both sides, body of the answer,
 * timing. Both are objects that attempt_view_row() made.
 */
#ifndef DLO_FCGI_ATTEMPT_DIFF_H
#define DLO_FCGI_ATTEMPT_DIFF_H

#include <jansson.h>

/*
 * {a, b, changed: {name: {a, b}}, request: {headers}, response: {headers, body}, timing: {name: {a, b, delta}}}; headers are
 * {added: {}, removed: {}, changed: {name: {a, b}}}. A new reference, or NULL: out of memory.
 */
json_t *attempt_diff(const json_t *a, const json_t *b);

#endif
