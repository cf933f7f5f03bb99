/*
 * redact: what must not be stored readable, taken out before the first write.
 *
 * Header values by name, URL query values always, and bytes that SQL text cannot hold. Redaction
 * keeps the shape of what it changes, so that an operator sees that a header or parameter was
 * there. It cannot fail: when the output is full it cuts, never in the middle of a UTF-8 character
 * in redact_to_utf8. All outputs are NUL-terminated; cap >= 1.
 */
#ifndef DLO_COMMON_REDACT_H
#define DLO_COMMON_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#define REDACT_MARK "[redacted]"

/*
 * Whether a header's value is hidden: authorization, proxy-authorization, cookie, set-cookie,
 * x-api-key, or one of the project's own names (NULL-terminated array, may be NULL). Any case.
 */
bool redact_header_hidden(const char *name, size_t len, const char *const *extra);

/*
 * Copies a raw header block (lines end in CRLF or LF; a status line passes) with hidden values
 * replaced by REDACT_MARK, folded continuation lines (RFC 9112 section 5.2) included. Returns the
 * bytes written.
 */
size_t redact_headers(const char *in, size_t n, const char *const *extra, char *out, size_t cap);

/*
 * Copies a URL with each query value replaced: ?token=abc&x -> ?token=[redacted]&x. Returns the
 * bytes written.
 */
size_t redact_url(const char *in, size_t n, char *out, size_t cap);

/*
 * Makes any bytes valid UTF-8 without NUL: each bad byte becomes U+FFFD, as does NUL. Returns the
 * bytes written.
 */
size_t redact_to_utf8(const void *in, size_t n, char *out, size_t cap);

/* How many bytes at the front are UTF-8 without NUL. */
size_t redact_utf8_length(const void *in, size_t n);

#endif
