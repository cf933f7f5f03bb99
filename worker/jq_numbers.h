/*
 * Which numbers of a JSON text jq would alter. libjq reads every number as a double and prints the shortest digits that
 * read back as the same double; a number passes if that print has its value: 1.10 and 1e2 do, 12345678901234567890,
 * 0.1000000000000000055 and 1e400 do not.
 */
#ifndef DLO_WORKER_JQ_NUMBERS_H
#define DLO_WORKER_JQ_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json_scan.h"

/* True: *number is the first one that would be altered. The text is valid JSON
 * (json_scan_value said so), and a NUL follows it. */
bool jq_numbers_altered(const char *json, size_t n, struct json_slice *number);

/* The next number of a JSON text from *at on, which is moved behind it; false: there is none. The same is asked of the
 * text. */
bool jq_numbers_next(const char **at, const char *end, struct json_slice *number);

#endif
