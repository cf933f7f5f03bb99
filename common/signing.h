/*
 * signing: Standard Webhooks 1.0.0, what lets a receiver know that a request is ours.
 *
 * v1 is HMAC-SHA256 with a shared secret (`whsec_` + base64 of 24-64 random bytes), v1a is Ed25519
 * (`whsk_` + base64 of seed and public key, 64 bytes; the receiver gets `whpk_` + base64 of 32).
 * Signed are id "." seconds "." body, the body's exact bytes. The text of a secret is for the one
 * answer that shows it; what is sealed and kept is the decoded key.
 *
 * Not thread-safe: one HMAC context is fetched once and used again for each message (0.9 us instead
 * of 1.6).
 */
#ifndef DLO_COMMON_SIGNING_H
#define DLO_COMMON_SIGNING_H

#include <stddef.h>
#include <stdint.h>

#define SIGNING_KEY_MIN 24     /* bytes of a decoded v1 secret */
#define SIGNING_KEY_MAX 64     /* also the bytes of a v1a private key */
#define SIGNING_KEY_NEW 32     /* bytes of the v1 secrets we make */
#define SIGNING_SECRET_TEXT 96 /* whsec_ or whsk_ + base64 of 64 bytes + NUL is 95 */
#define SIGNING_PUBLIC_TEXT 50 /* whpk_ + base64 of 32 bytes + NUL */
#define SIGNING_V1_TEXT 48     /* "v1," + 44 + NUL */
#define SIGNING_V1A_TEXT 93    /* "v1a," + 88 + NUL */

/*
 * A new v1 secret: its key bytes and the text shown once. 0, or -1 if the random generator fails.
 */
int signing_secret_new(unsigned char key[SIGNING_KEY_MAX], size_t *keylen,
                       char text[SIGNING_SECRET_TEXT]);

/*
 * Decodes a tenant's own v1 secret: with or without `whsec_`, base64 (RFC 4648 section 4) padded or
 * not, 24-64 bytes decoded. 0, or -1 for anything else.
 */
int signing_secret_parse(const char *text, size_t len, unsigned char key[SIGNING_KEY_MAX],
                         size_t *keylen);

/* The text of a v1 key: `whsec_` + padded base64. keylen is at most SIGNING_KEY_MAX. */
void signing_secret_text(const unsigned char *key, size_t keylen, char text[SIGNING_SECRET_TEXT]);

/*
 * "v1,<base64>" of the message, NUL-terminated. ts in seconds. 0, or -1 if OpenSSL fails or keylen
 * is 0.
 */
int signing_v1(const unsigned char *key, size_t keylen, const char *id, int64_t ts,
               const void *body, size_t len, char out[SIGNING_V1_TEXT]);

/* A new v1a key pair: 64 bytes of seed and public key. 0 or -1. */
int signing_v1a_new(unsigned char key[SIGNING_KEY_MAX]);

/* Decodes `whsk_` + base64 of 64 bytes whose halves belong together; 0 or -1. */
int signing_v1a_parse(const char *text, size_t len, unsigned char key[SIGNING_KEY_MAX]);

/* The public half as `whpk_...`, for the answer and the receiver. */
void signing_v1a_public(const unsigned char key[SIGNING_KEY_MAX], char out[SIGNING_PUBLIC_TEXT]);

/* "v1a,<base64>" of the message. 28 us and an extra 26 to load the key. 0 or -1. */
int signing_v1a(const unsigned char key[SIGNING_KEY_MAX], const char *id, int64_t ts,
                const void *body, size_t len, char out[SIGNING_V1A_TEXT]);

/* Frees the shared context; the next signature makes it anew. For tests and a clean exit. */
void signing_release(void);

#endif
