/*
 * json_scan: the one strict judge of JSON, over bytes that are never copied or changed.
 *
 * It accepts exactly the grammar of RFC 8259 in exactly UTF-8 (RFC 3629: no overlong form, no
 * surrogate, nothing above U+10FFFF, no byte order mark) and yields slices of the input, so that a
 * payload is stored, signed and sent as it came. What the grammar allows passes: numbers of any
 * size, \u0000, a lone \ud800, equal keys in an inner object.
 *
 * Never recursive: nesting costs one bit a level. Slices point into the caller's buffer and live as
 * long as it does. err_off may be NULL; on a result other than OK it is the offset of the offending
 * byte (len: the text ended too soon).
 */
#ifndef DLO_COMMON_JSON_SCAN_H
#define DLO_COMMON_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_SCAN_DEPTH_MAX 16384 /* a larger max_depth is lowered to this */

struct json_slice {
    const char *p;
    size_t len;
};

struct json_limits {
    size_t max_depth; /* arrays and objects open at once; 0 takes only scalars */
};

struct json_member {
    struct json_slice key;   /* without its quotes, escapes as written */
    struct json_slice value; /* exactly as written, no space around it; a string keeps its quotes */
};

enum json_scan_result {
    JSON_SCAN_OK,
    JSON_SCAN_SYNTAX,    /* not the grammar */
    JSON_SCAN_UTF8,      /* not UTF-8 */
    JSON_SCAN_DEPTH,     /* deeper than the limit */
    JSON_SCAN_DUPLICATE, /* a top-level key came twice; err_off is the second one's quote */
    JSON_SCAN_TOO_MANY,  /* more members or elements than the caller takes */
    JSON_SCAN_TYPE,      /* not the kind of value asked for; what it is was not scanned */
    JSON_SCAN_STOPPED    /* the callback said so */
};

/* The whole buffer is one JSON text, with space around it. */
enum json_scan_result json_scan_value(const char *buf, size_t len, const struct json_limits *limits,
                                      size_t *err_off);

/*
 * One value at the start of the buffer (after space); *end is the offset behind it. What follows is
 * not looked at, so a number may be continued there.
 */
enum json_scan_result json_scan_skip(const char *buf, size_t len, const struct json_limits *limits,
                                     size_t *end, size_t *err_off);

/*
 * The whole buffer is one object; its top-level members as slices, in order, *n of them, at most
 * max. Keys are compared decoded: "\u0061" and "a" are duplicates. The comparison is quadratic in
 * the number of members; keep max small (envelopes have a dozen). The empty array is taken as the
 * empty object: that is how PHP spells it.
 */
enum json_scan_result json_scan_object(const char *buf, size_t len,
                                       const struct json_limits *limits,
                                       struct json_member *members, size_t max, size_t *n,
                                       size_t *err_off);

/*
 * The whole buffer is one array of at most max elements. `each` is called with every element as
 * soon as it was scanned; the rest may still turn out to be malformed, so its work counts only if
 * the result is OK. Non-zero from `each` stops.
 */
enum json_scan_result json_scan_array(
    const char *buf, size_t len, const struct json_limits *limits, size_t max,
    int (*each)(void *arg, size_t index, struct json_slice element), void *arg, size_t *err_off);

/* Whether a scanned key (or string without quotes), decoded, is this text. */
bool json_scan_is(struct json_slice string, const char *text);

/*
 * Decodes a scanned string (with or without its quotes) to UTF-8 into out, NUL-terminated, *n
 * bytes. Returns 0, or -1 if it does not fit in cap with its NUL or has an escape that UTF-8 cannot
 * carry (a lone surrogate).
 */
int json_scan_text(struct json_slice string, char *out, size_t cap, size_t *n);

/* For messages: "syntax", "utf-8", "depth", ... */
const char *json_scan_result_name(enum json_scan_result result);

#endif
