/*
 * event_type: names, patterns, and the three ways to match them that must agree.
 *
 * Owns nothing. Everything that reads a pattern expects a valid one; validity is decided here
 * alone, once, when a webhook is written. It must never put a pattern's bytes into a regular
 * expression unescaped. A crash leaves nothing.
 */
#include "common/event_type.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

/* Bytes of a regular expression for one byte of pattern, at most: '*' becomes "[^.]+". */
#define REGEX_GROWTH 5

static bool is_name_char(char c)
{
    return c != '\0' && strchr(NAME_CHARS, c) != NULL;
}

bool event_type_valid(const char *name, size_t len)
{
    if (len == 0 || len > EVENT_TYPE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_name_char(name[i]))
            return false;
    return true;
}

bool event_type_pattern_valid(const char *pattern, size_t len)
{
    if (len == 0 || len > EVENT_TYPE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool starts = i == 0 || pattern[i - 1] == '.';
        bool ends = i + 1 == len || pattern[i + 1] == '.';

        if (!(is_name_char(pattern[i]) || (pattern[i] == '*' && starts && ends)))
            return false;
    }
    return true;
}

bool event_type_pattern_listed(const char *pattern)
{
    const char *star = strchr(pattern, '*');

    return star == NULL || star[1] == '\0';
}

/* ---- the list ---- */

static void add_item(struct event_type_list *list, size_t *used, const char *head, size_t len,
                     const char *tail)
{
    char *item = list->text + *used;
    size_t tail_len = strlen(tail);

    memcpy(item, head, len);
    memcpy(item + len, tail, tail_len + 1);
    *used += len + tail_len + 1;
    list->item[list->count++] = item;
}

void event_type_patterns(const char *name, struct event_type_list *out)
{
    size_t used = 0;

    out->count = 0;
    add_item(out, &used, name, strlen(name), "");
    for (size_t i = strlen(name) - 1; i-- > 0;) /* a last dot leaves nothing for the star */
        if (name[i] == '.')
            add_item(out, &used, name, i + 1, "*");
    add_item(out, &used, "", 0, "*");
}

/* ---- the regular expression ---- */

static char *put(char *out, const char *text)
{
    size_t n = strlen(text);

    memcpy(out, text, n);
    return out + n;
}

static char *put_pattern(char *out, const char *pattern)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '.')
            out = put(out, "\\.");
        else if (*pattern == '*')
            out = put(out, pattern[1] == '\0' ? ".+" : "[^.]+");
        else
            *out++ = *pattern;
    }
    return out;
}

static size_t regex_room(const char *const *patterns, size_t n)
{
    size_t room = sizeof("^(?:)$");

    for (size_t i = 0; i < n; i++)
        room += REGEX_GROWTH * strlen(patterns[i]) + 1;
    return room;
}

int event_type_regex(const char *const *patterns, size_t n, char **out)
{
    char *regex = malloc(regex_room(patterns, n));
    char *at;
    size_t taken = 0;

    *out = NULL;
    if (regex == NULL)
        return -1;
    at = put(regex, "^(?:");
    for (size_t i = 0; i < n; i++) {
        if (event_type_pattern_listed(patterns[i]))
            continue;
        if (taken++ > 0)
            *at++ = '|';
        at = put_pattern(at, patterns[i]);
    }
    *put(at, ")$") = '\0';
    if (taken > 0)
        *out = regex;
    else
        free(regex);
    return 0;
}

/* ---- the reference ---- */

bool event_type_matches(const char *pattern, const char *name)
{
    for (;;) {
        size_t want = strcspn(pattern, "."), have = strcspn(name, ".");
        bool star = want == 1 && *pattern == '*';

        if (star && pattern[1] == '\0')
            return *name != '\0';
        if (star ? have == 0 : want != have || memcmp(pattern, name, want) != 0)
            return false;
        if (pattern[want] == '\0' || name[have] == '\0')
            return pattern[want] == name[have];
        pattern += want + 1;
        name += have + 1;
    }
}
