/* See jq_numbers.h. Memory only; the decimal point is always '.': a sandbox runs in the C locale. */
#include "worker/jq_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* more digits than a double's shortest print ever has cannot be its print */
#define SAFE_DIGITS 15
#define SAFE_EXPONENT 290

/* A decimal number: 0.d1d2d3... x 10^exponent, d1 and the last digit not 0. Zero has no digits. */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count; /* beyond DIGITS_MAX they are counted and not kept */
    long exponent;
};

static void add_digit(struct decimal *d, char c, int *zeros)
{
    if (c == '0') {
        *zeros += d->count > 0; /* they count when another digit follows */
        return;
    }
    for (; *zeros > 0; --*zeros, d->count++)
        if (d->count < DIGITS_MAX)
            d->digits[d->count] = '0';
    if (d->count < DIGITS_MAX)
        d->digits[d->count] = c;
    d->count++;
}

static long written_exponent(const char *p, const char *end)
{
    long sign = 1, value = 0;
    if (p < end && (*p == '-' || *p == '+'))
        sign = *p++ == '-' ? -1 : 1;
    for (; p < end; p++)
        if (value < 100000000)
            value = value * 10 + (*p - '0');
    return sign * value;
}

static void read_decimal(const char *p, size_t n, struct decimal *d)
{
    const char *end = p + n;
    bool point = false;
    int zeros = 0;
    *d = (struct decimal){0};
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.')
            point = true;
        if (*p < '0' || *p > '9')
            continue;
        bool leading = !d->count && *p == '0';
        add_digit(d, *p, &zeros);
        d->exponent += !point && !leading;
        d->exponent -= point && leading;
    }
    if (p < end)
        d->exponent += written_exponent(p + 1, end);
}

static bool same(const struct decimal *a, const struct decimal *b)
{
    return a->count == b->count && a->count <= DIGITS_MAX && a->exponent == b->exponent &&
           memcmp(a->digits, b->digits, (size_t)a->count) == 0;
}

/* The slow way, for numbers with many digits or far from 1: print the double as short as it can be, and compare. */
static bool printed_alike(const char *text, const struct decimal *d)
{
    char print[40];
    struct decimal shortest;
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return false;
    for (int digits = 1; digits <= DIGITS_MAX; digits++) {
        snprintf(print, sizeof print, "%.*e", digits - 1, value);
        if (strtod(print, NULL) == value)
            break;
    }
    read_decimal(print, strlen(print), &shortest);
    return same(d, &shortest);
}

/* Up to 15 digits always come back from a double, when it is neither too large nor too near to 0 (DBL_DIG). */
static bool unaltered(const char *text, size_t n)
{
    struct decimal d;
    read_decimal(text, n, &d);
    if (!d.count)
        return true;
    if (d.count <= SAFE_DIGITS && labs(d.exponent) <= SAFE_EXPONENT)
        return true;
    return d.count <= DIGITS_MAX && printed_alike(text, &d);
}

static const char *behind_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

bool jq_numbers_next(const char **at, const char *end, struct json_slice *number)
{
    for (const char *p = *at; p < end; p++) {
        size_t n = 0;
        if (*p == '"')
            p = behind_string(p, end) - 1;
        else if (*p == '-' || (*p >= '0' && *p <= '9'))
            n = strspn(p, "0123456789+-.eE"); /* a NUL is behind the text */
        if (!n)
            continue;
        *number = (struct json_slice){p, n};
        *at = p + n;
        return true;
    }
    return false;
}

bool jq_numbers_altered(const char *json, size_t n, struct json_slice *number)
{
    const char *at = json;
    while (jq_numbers_next(&at, json + n, number))
        if (!unaltered(number->p, number->len))
            return true;
    return false;
}
