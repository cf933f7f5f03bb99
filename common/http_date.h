/*
 * http_date: when a receiver asked us to come back.
 *
 * Retry-After (RFC 9110 section 10.2.3) holds seconds or a date; seen in the wild are also
 * fractions ("120.6"). Dates are the three forms of RFC 9110 section 5.6.7. Time is a parameter;
 * nothing here reads a clock.
 */
#ifndef DLO_COMMON_HTTP_DATE_H
#define DLO_COMMON_HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_DATE_DELAY_MAX 86400 /* seconds; a longer wait is cut to this */

/* The date as seconds since 1970. now decides the century of RFC 850's two-digit years. 0 or -1. */
int http_date_parse(const char *text, size_t len, int64_t now, int64_t *out);

/*
 * The wait in whole seconds, rounded up, 0..86400; a date in the past is 0; -1 if it is neither
 * form.
 */
int64_t http_date_retry_after(const char *text, size_t len, int64_t now);

#endif
