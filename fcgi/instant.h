/*
 * instant: a time as a client may write it, as microseconds since 1970.
 *
 * Taken: RFC 3339 (section 5.6; any offset, seconds required, fraction of up to 9 digits
 * cut to microseconds; a leap second is the next second), epoch milliseconds as digits, and where the caller allows it
 * a distance back from now: -15m -24h -7d -30s. A space before the offset is read as '+', because that is what a '+'
 * in a query string decodes to. Years 1970 to 9999.
 *
 * Nothing here reads a clock: now is a parameter.
 */
#ifndef DLO_FCGI_INSTANT_H
#define DLO_FCGI_INSTANT_H

#include <stddef.h>
#include <stdint.h>

#define INSTANT_TEXT_MAX 32

enum instant_result {
    INSTANT_OK,
    INSTANT_RELATIVE,   /* a distance: *us is negative, the microseconds back from now */
    INSTANT_MALFORMED,  /* 400 malformed-time */
    INSTANT_IN_SECONDS, /* a number below 10^11: 400 time-in-seconds */
    INSTANT_RANGE       /* 400 time-out-of-range */
};

enum instant_result instant_parse(const char *text, size_t len, int64_t *us);
/* Epoch milliseconds that came as a JSON number. */
enum instant_result instant_from_ms(double ms, int64_t *us);
/* "2026-11-22T10:00:00.000000Z", fit for $n::timestamptz; with milliseconds only, as answers show it. */
void instant_sql(int64_t us, char out[INSTANT_TEXT_MAX]);
void instant_text(int64_t us, char out[INSTANT_TEXT_MAX]);
/* A code and a sentence for a problem; NULL for OK. */
const char *instant_code(enum instant_result r);
const char *instant_why(enum instant_result r);

#endif
