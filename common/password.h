/*
 * password: people's passwords (scrypt) and the random texts that are keys, tokens and one-time
 * codes.
 *
 * A hash is a PHC string, $scrypt$ln=15,r=8,p=3$salt$hash (RFC 7914; 16-byte salt, 32-byte hash,
 * base64 without padding): 189 ms and 32 MiB of work each, so the caller bounds how many run at
 * once. Random tokens carry their full strength in themselves and are stored as SHA-256, not with
 * this.
 *
 * It never logs and keeps no copy of a password.
 */
#ifndef DLO_COMMON_PASSWORD_H
#define DLO_COMMON_PASSWORD_H

#include <stddef.h>

#define PASSWORD_TEXT_MAX 128   /* a PHC string with its NUL */
#define PASSWORD_BYTES_MAX 1024 /* longer passwords are refused */
#define PASSWORD_DIGEST_BYTES 32

enum password_result {
    PASSWORD_OK,
    PASSWORD_REHASH, /* right, but hashed with other parameters than today's: hash it again */
    PASSWORD_WRONG,
    PASSWORD_MALFORMED /* not a hash we can compute, or the computing failed */
};

/* Hashes n bytes. 0, or -1 (too long, holds a NUL byte, or OpenSSL failed). */
int password_hash(const char *password, size_t n, char out[PASSWORD_TEXT_MAX]);

/* Checks n bytes against a PHC string; the comparison takes the same time wherever it differs. */
enum password_result password_verify(const char *phc, const char *password, size_t n);

/*
 * `chars` random characters and a NUL, uniform over the alphabet; aborts if the random generator
 * fails. 43 of base62 or 52 of base32 (lower-case Crockford, fit to be read aloud) are 256 bits.
 */
void password_token_base62(char *out, size_t chars);
void password_token_base32(char *out, size_t chars);

/* SHA-256 of a token, as it is stored and looked up. 0 or -1. */
int password_token_digest(const char *token, size_t n, unsigned char out[PASSWORD_DIGEST_BYTES]);

#endif
