/*
 * fingerprint: what makes two failures the same failure.
 *
 *     sha256(version | webhook | reason | status | template), first 16 bytes
 *
 * The template is the answer's own words with everything that changes from one request to the next
 * masked: of JSON the first present of error.code error.type code type error.message message detail
 * title (and error itself when it is a string), of HTML the <title>, else the first line that is
 * not blank; from the first 2 KiB of text types only. Without an answer (DNS, TLS, connect) it is
 * our own error code. Masking is one pass from left to right, without regular expressions: its time
 * is linear in those 2 KiB whatever a receiver sends.
 *
 * The version is stored with each fingerprint. Changing what any function here yields means
 * FINGERPRINT_VERSION + 1.
 */
#ifndef DLO_COMMON_FINGERPRINT_H
#define DLO_COMMON_FINGERPRINT_H

#include <stddef.h>

#include "common/ids.h"

#define FINGERPRINT_VERSION 1
#define FINGERPRINT_BYTES 16
#define FINGERPRINT_TEXT_MAX 200   /* bytes of template, without the NUL */
#define FINGERPRINT_INPUT_MAX 2048 /* bytes of body that are looked at */

struct fingerprint {
    unsigned char id[FINGERPRINT_BYTES];
    char text[FINGERPRINT_TEXT_MAX + 1]; /* the template: valid UTF-8 without control characters */
    size_t text_len;
};

/*
 * Of the last attempt: reason is the failure reason's name, status the HTTP status or 0,
 * content_type may be NULL, body may be NULL with len 0, error_code is our own code for a failure
 * without an answer (may be NULL). Returns 0, or -1 if OpenSSL fails.
 */
int fingerprint_compute(const struct uuid *webhook, const char *reason, int status,
                        const char *content_type, const void *body, size_t len,
                        const char *error_code, struct fingerprint *out);

/* 32 hex digits of either case, len bytes before a NUL. Returns 0, or -1 for anything else; out is then untouched. */
int fingerprint_parse(const char *text, size_t len, unsigned char out[FINGERPRINT_BYTES]);

/* The masking alone, of len bytes of any encoding; out is NUL-terminated. Returns the length. */
size_t fingerprint_mask(const char *in, size_t len, char out[FINGERPRINT_TEXT_MAX + 1]);

#endif
