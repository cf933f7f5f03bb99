/*
 * base64: RFC 4648 section 4, as secrets, signatures and password hashes are spelled.
 *
 * The standard alphabet only; no line breaks, no spaces. Decoding takes padding or none, and
 * nothing in between.
 */
#ifndef DLO_COMMON_BASE64_H
#define DLO_COMMON_BASE64_H

#include <stddef.h>

/* Room for n bytes encoded, with padding and a NUL. */
#define BASE64_TEXT(n) (((n) + 2) / 3 * 4 + 1)

/* Encodes n bytes with padding, NUL-terminated; out has BASE64_TEXT(n). Returns the length. */
size_t base64_encode(const void *in, size_t n, char *out);

/* The same without padding. */
size_t base64_encode_bare(const void *in, size_t n, char *out);

/*
 * Decodes len characters into out, at most cap bytes, *n of them. Returns 0, or -1 for a foreign
 * character, wrong padding, an impossible length or too little room; out may then hold a part and
 * is the caller's to wipe.
 */
int base64_decode(const char *text, size_t len, unsigned char *out, size_t cap, size_t *n);

#endif
