/* See instant.h. Owns nothing. Must never look at the clock or the time zone of the process. */
#include "fcgi/instant.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define MAX_US (INT64_C(253402300799) * SECOND_US) /* the end of 9999 */
#define FIRST_MS                                                                                   \
    INT64_C(100000000000) /* below it a number is taken for seconds: 1973 as milliseconds */

struct reader {
    const char *p, *end;
};

static bool digits(struct reader *r, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++, r->p++) {
        if (r->p == r->end || *r->p < '0' || *r->p > '9')
            return false;
        *out = *out * 10 + (*r->p - '0');
    }
    return true;
}

static bool one_of(struct reader *r, const char *set)
{
    return r->p < r->end && *r->p && strchr(set, *r->p) ? (r->p++, true) : false;
}

static bool fraction(struct reader *r, int64_t *us)
{
    int64_t scale = SECOND_US / 10;
    *us = 0;
    if (!one_of(r, "."))
        return true;
    const char *first = r->p;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++, scale /= 10)
        *us += scale * (*r->p - '0');
    return r->p > first && r->p - first <= 9;
}

/* RFC 3339 time-offset, in seconds east. */
static bool offset(struct reader *r, int *seconds)
{
    int hour, minute;
    *seconds = 0;
    if (one_of(r, "Zz"))
        return true;
    bool west = r->p < r->end && *r->p == '-';
    if (!one_of(r, "+- ") || !digits(r, 2, &hour) || !one_of(r, ":") || !digits(r, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *seconds = (hour * 60 + minute) * (west ? -60 : 60);
    return true;
}

static bool date_ok(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (tm->tm_mon < 0 || tm->tm_mon > 11 || tm->tm_mday < 1)
        return false;
    return tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

static enum instant_result in_range(int64_t us)
{
    return us >= 0 && us <= MAX_US ? INSTANT_OK : INSTANT_RANGE;
}

static enum instant_result rfc3339(struct reader r, int64_t *us)
{
    struct tm tm = {0};
    int year, month, east;
    int64_t part;
    if (!digits(&r, 4, &year) || !one_of(&r, "-") || !digits(&r, 2, &month) || !one_of(&r, "-") ||
        !digits(&r, 2, &tm.tm_mday) || !one_of(&r, "Tt ") || !digits(&r, 2, &tm.tm_hour) ||
        !one_of(&r, ":") || !digits(&r, 2, &tm.tm_min) || !one_of(&r, ":") ||
        !digits(&r, 2, &tm.tm_sec) || !fraction(&r, &part) || !offset(&r, &east) || r.p != r.end)
        return INSTANT_MALFORMED;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    if (!date_ok(&tm) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return INSTANT_MALFORMED;
    *us = ((int64_t)timegm(&tm) - east) * SECOND_US + part;
    return in_range(*us);
}

static enum instant_result relative(struct reader r, int64_t *us)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    int64_t n = 0;
    const char *first = ++r.p;
    for (; r.p < r.end && *r.p >= '0' && *r.p <= '9' && r.p - first < 6; r.p++)
        n = n * 10 + (*r.p - '0');
    if (r.p == first || r.end - r.p != 1)
        return INSTANT_MALFORMED;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (*r.p == units[i].unit) {
            *us = -n * units[i].seconds * SECOND_US;
            return INSTANT_RELATIVE;
        }
    return INSTANT_MALFORMED;
}

enum instant_result instant_from_ms(double ms, int64_t *us)
{
    if (!isfinite(ms) || ms < 0 || ms > (double)(MAX_US / 1000))
        return INSTANT_RANGE;
    if (ms < (double)FIRST_MS)
        return INSTANT_IN_SECONDS;
    *us = (int64_t)ms * 1000;
    return INSTANT_OK;
}

enum instant_result instant_parse(const char *text, size_t len, int64_t *us)
{
    struct reader r = {text, text + len};
    int64_t number = 0;
    size_t n = 0;
    for (; n < len && text[n] >= '0' && text[n] <= '9'; n++)
        if (n < 16)
            number = number * 10 + (text[n] - '0');
    if (len && n == len)
        return len > 15 ? INSTANT_RANGE : instant_from_ms((double)number, us);
    return len && *text == '-' ? relative(r, us) : rfc3339(r, us);
}

static void format(int64_t us, int digits_shown, char out[INSTANT_TEXT_MAX])
{
    time_t seconds = (time_t)(us / SECOND_US);
    int part = (int)(us % SECOND_US);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, INSTANT_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (digits_shown == 3)
        part /= 1000;
    snprintf(out + n, INSTANT_TEXT_MAX - n, ".%0*dZ", digits_shown, part);
}

void instant_sql(int64_t us, char out[INSTANT_TEXT_MAX])
{
    format(us, 6, out);
}

void instant_text(int64_t us, char out[INSTANT_TEXT_MAX])
{
    format(us, 3, out);
}

static const struct {
    const char *code, *why;
} problems[] = {
    [INSTANT_OK] = {NULL, NULL},
    [INSTANT_RELATIVE] = {"malformed-time", "a relative time is not taken here"},
    [INSTANT_MALFORMED] = {"malformed-time",
                           "a time is RFC 3339, epoch milliseconds, or -15m, -24h, -7d"},
    [INSTANT_IN_SECONDS] = {"time-in-seconds",
                            "a number is epoch milliseconds; this one looks like seconds"},
    [INSTANT_RANGE] = {"time-out-of-range", "a time lies between 1970 and 9999"},
};

const char *instant_code(enum instant_result r)
{
    return problems[r].code;
}

const char *instant_why(enum instant_result r)
{
    return problems[r].why;
}
