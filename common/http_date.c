/*
 * http_date: Retry-After and the dates in it.
 *
 * Owns a "C" locale made at the first date, because month names must not follow the process's
 * language. It must never read a clock, and never turn what it cannot read into a wait: a
 * receiver's odd header is as good as none. A crash leaves nothing.
 */
#include "common/http_date.h"

#include <locale.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX 64
#define CENTURY_WINDOW_YEARS 50 /* RFC 9110 section 5.6.7: further ahead means the past century */

static const struct form {
    const char *format;
    int two_digit_year;
} forms[] = {
    {"%a, %d %b %Y %H:%M:%S GMT", 0}, /* IMF-fixdate */
    {"%a, %d-%b-%y %H:%M:%S GMT", 1}, /* RFC 850 */
    {"%a %b %e %H:%M:%S %Y", 0},      /* asctime */
};

static locale_t c_locale(void)
{
    static locale_t locale;

    if (locale == (locale_t)0)
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return locale;
}

/* Cuts the space around a value and makes it a string; -1 if it is empty, too long or holds NUL. */
static int trim(const char *text, size_t len, char out[TEXT_MAX])
{
    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len == 0 || len >= TEXT_MAX || memchr(text, '\0', len) != NULL)
        return -1;
    memcpy(out, text, len);
    out[len] = '\0';
    return 0;
}

static void fix_century(struct tm *tm, int64_t now)
{
    time_t t = (time_t)now;
    struct tm today;

    if (gmtime_r(&t, &today) == NULL)
        return;
    tm->tm_year = today.tm_year - today.tm_year % 100 + tm->tm_year % 100;
    if (tm->tm_year > today.tm_year + CENTURY_WINDOW_YEARS)
        tm->tm_year -= 100;
}

/*
 * timegm would turn 31 February into March; a date that it changes was none. A leap second may
 * pass.
 */
static int to_seconds(struct tm *tm, int64_t *out)
{
    int day = tm->tm_mday, month = tm->tm_mon;
    time_t t;

    if (tm->tm_sec == 60)
        tm->tm_sec = 59;
    t = timegm(tm);
    *out = (int64_t)t;
    return tm->tm_mday == day && tm->tm_mon == month ? 0 : -1;
}

static int read_form(const char *text, const struct form *form, int64_t now, int64_t *out)
{
    struct tm tm = {.tm_isdst = 0};
    const char *end = strptime_l(text, form->format, &tm, c_locale());

    if (end == NULL || *end != '\0')
        return -1;
    if (form->two_digit_year)
        fix_century(&tm, now);
    return to_seconds(&tm, out);
}

static int read_date(const char *text, int64_t now, int64_t *out)
{
    if (c_locale() == (locale_t)0)
        return -1;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (read_form(text, &forms[i], now, out) == 0)
            return 0;
    return -1;
}

int http_date_parse(const char *text, size_t len, int64_t now, int64_t *out)
{
    char copy[TEXT_MAX];

    return trim(text, len, copy) == 0 ? read_date(copy, now, out) : -1;
}

static int64_t clamp(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return seconds > HTTP_DATE_DELAY_MAX ? HTTP_DATE_DELAY_MAX : seconds;
}

/* "120" or "120.6", rounded up; -1 if the text is anything else. */
static int64_t read_seconds(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    int64_t seconds = 0;

    if (whole == 0 || (text[whole] == '.' && fraction == 0) ||
        text[whole + (fraction > 0 ? fraction + 1 : 0)] != '\0')
        return -1;
    for (size_t i = 0; i < whole && seconds <= HTTP_DATE_DELAY_MAX; i++)
        seconds = seconds * 10 + (text[i] - '0');
    if (fraction > 0 && text[whole + 1 + strspn(text + whole + 1, "0")] != '\0')
        seconds++;
    return clamp(seconds);
}

int64_t http_date_retry_after(const char *text, size_t len, int64_t now)
{
    char copy[TEXT_MAX];
    int64_t seconds;

    if (trim(text, len, copy) != 0)
        return -1;
    if (copy[0] >= '0' && copy[0] <= '9')
        return read_seconds(copy);
    return read_date(copy, now, &seconds) == 0 ? clamp(seconds - now) : -1;
}
