/*
 * json_number: Jansson's two kinds of numbers as the one kind that JSON has.
 *
 * A value is what Jansson could represent: a 64-bit integer or a double. Among those nothing here rounds: 2^53 + 1 is
 * not equal to its neighbouring double, and 0.0075 is a multiple of 0.0001, because a double stands for the shortest
 * decimal that reads back as it.
 */
#ifndef DLO_COMMON_JSON_NUMBER_H
#define DLO_COMMON_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* Whether it is an integer by value: 1.0 is one (JSON Schema 2020-12 core section 4.2.3). */
bool json_number_is_integer(const json_t *n);
/* -1, 0 or 1. */
int json_number_compare(const json_t *a, const json_t *b);
/* Whether n is a whole multiple of `of`, which is greater than 0. */
bool json_number_is_multiple(const json_t *n, const json_t *of);
/* The value of a non-negative integer, SIZE_MAX for one that is larger. false: it is not one. */
bool json_number_count(const json_t *n, size_t *out);
/* Equal numbers have equal hashes. */
uint64_t json_number_hash(const json_t *n);

#endif
