/* See json_number.h. Owns nothing, allocates nothing. */
#include "common/json_number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWO_63 9223372036854775808.0

static bool fits(double d)
{
    return d >= -TWO_63 && d < TWO_63;
}

/* A double of that size has no room for a fraction. */
static bool is_whole(double d)
{
    return !fits(d) || d == (double)(int64_t)d;
}

/* The integer that a double is, if it is one that fits. */
static bool as_integer(double d, int64_t *out)
{
    if (!fits(d) || !is_whole(d))
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_number_is_integer(const json_t *n)
{
    return json_is_integer(n) || (json_is_real(n) && is_whole(json_real_value(n)));
}

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_doubles(double a, double b)
{
    return (a > b) - (a < b);
}

/* Exact: a double of that size has no fraction lost, an integer no digit. */
static int compare_mixed(int64_t i, double d)
{
    if (d >= TWO_63)
        return -1;
    if (d < -TWO_63)
        return 1;
    int64_t whole = (int64_t)d;
    int order = compare_integers(i, whole);
    return order ? order : compare_doubles(0, d - (double)whole);
}

int json_number_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a))
        return json_is_integer(b) ? compare_integers(json_integer_value(a), json_integer_value(b))
                                  : compare_mixed(json_integer_value(a), json_real_value(b));
    return json_is_integer(b) ? -compare_mixed(json_integer_value(b), json_real_value(a))
                              : compare_doubles(json_real_value(a), json_real_value(b));
}

/* digits * 10^exponent, without its sign; no trailing zero in digits. */
struct decimal {
    uint64_t digits;
    int exponent;
};

/* "1.2345e+67" into digits; the decimal point is whatever the locale has. */
static struct decimal read_decimal(const char *text)
{
    struct decimal d = {0, 0};
    bool fraction = false;
    for (; *text != 'e'; text++) {
        if (*text < '0' || *text > '9') {
            fraction = true;
            continue;
        }
        d.digits = d.digits * 10 + (uint64_t)(*text - '0');
        d.exponent -= fraction;
    }
    d.exponent += (int)strtol(text + 1, NULL, 10);
    return d;
}

/* The shortest that reads back as the same double; 17 digits always do. */
static struct decimal shortest(double value)
{
    char text[40];
    int digits = 15;
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
    while (strtod(text, NULL) != value && digits++ < 17);
    return read_decimal(text);
}

static struct decimal decimal_of(const json_t *n)
{
    struct decimal d;
    if (json_is_integer(n)) {
        int64_t i = json_integer_value(n);
        d = (struct decimal){i < 0 ? 0 - (uint64_t)i : (uint64_t)i, 0};
    } else {
        double value = json_real_value(n);
        d = shortest(value < 0 ? -value : value);
    }
    while (d.digits && d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    return d;
}

static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t m)
{
    return (uint64_t)((unsigned __int128)a * b % m);
}

static uint64_t power_of_ten_modulo(int exponent, uint64_t m)
{
    uint64_t result = 1 % m, factor = 10 % m;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result = multiply_modulo(result, factor, m);
        factor = multiply_modulo(factor, factor, m);
    }
    return result;
}

/* digits * 10^e / digits' is whole. With e < 0 never: what is left of n's digits does not end in a zero. */
bool json_number_is_multiple(const json_t *n, const json_t *of)
{
    struct decimal a = decimal_of(n), b = decimal_of(of);
    if (a.digits == 0)
        return true;
    if (b.digits == 0 || a.exponent < b.exponent)
        return false;
    return multiply_modulo(a.digits % b.digits,
                           power_of_ten_modulo(a.exponent - b.exponent, b.digits), b.digits) == 0;
}

bool json_number_count(const json_t *n, size_t *out)
{
    int64_t value = 0;
    if (json_is_real(n)) {
        double d = json_real_value(n);
        if (d < 0 || !is_whole(d))
            return false;
        if (!as_integer(d, &value))
            value = INT64_MAX;
    } else if (json_is_integer(n)) {
        value = json_integer_value(n);
    } else {
        return false;
    }
    *out = value == INT64_MAX ? SIZE_MAX : (size_t)value;
    return value >= 0;
}

uint64_t json_number_hash(const json_t *n)
{
    uint64_t bits;
    int64_t value;
    if (json_is_integer(n))
        value = json_integer_value(n);
    else if (!as_integer(json_real_value(n), &value)) {
        double d = json_real_value(n);
        memcpy(&bits, &d, sizeof bits);
        return bits * UINT64_C(0x9e3779b97f4a7c15);
    }
    return ((uint64_t)value + 1) * UINT64_C(0x9e3779b97f4a7c15);
}
