/*
 * seal: secrets at rest, AES-256-GCM under a keyring that lives in a file and never in the
 * database.
 *
 * The key file has one `kid:64 hex digits` a line, '#' comments; kid is 1-16 of [A-Za-z0-9_-]. The
 * first key seals, all of them open: to rotate, put a new line first, re-seal, then remove the old
 * line. A sealed value is
 *     0x01 | kid length | kid | iv (12) | ciphertext | tag (16)
 * and is bound to where it lies by the AAD, the caller's "table|column|row|project": a value moved
 * to another row or column does not open. Random 96-bit IVs: rotate long before 2^32 values under
 * one key.
 *
 * It never logs, and wipes what it copied. A crash while generating leaves either no key file or a
 * whole one.
 */
#ifndef DLO_COMMON_SEAL_H
#define DLO_COMMON_SEAL_H

#include <stddef.h>

#define SEAL_KEYS_MAX 16
#define SEAL_KID_MAX 16
#define SEAL_OVERHEAD_MAX (2 + SEAL_KID_MAX + 12 + 16) /* sealed length - plain length, at most */

struct seal_keyring; /* holds the keys; free with seal_keyring_free, which wipes them */

enum seal_result {
    SEAL_OK,
    SEAL_NO_KEY,  /* sealed with a key that is not in the ring: the operator removed it too early */
    SEAL_DAMAGED, /* not a sealed value, changed, or sealed for another place */
    SEAL_FAILED   /* out of memory, the buffer is too small, or OpenSSL failed */
};

/*
 * Reads the key file. Refused: a file that others (not owner or group) may read or write, a
 * malformed line, the same kid twice, no key at all. 0 and *out, or -1 with a line for the operator
 * in err (never a byte of a key).
 */
int seal_keyring_load(const char *path, struct seal_keyring **out, char *err, size_t errlen);

/* The same from text in memory. */
int seal_keyring_parse(const char *text, size_t len, struct seal_keyring **out, char *err,
                       size_t errlen);

/*
 * Makes a key file with one random key, mode 0600, under a temporary name, fsync, link into place,
 * fsync of the directory. An existing file is an error, never replaced: what it sealed would be
 * lost. 0, or -1 with err.
 */
int seal_keyring_generate(const char *path, char *err, size_t errlen);

/* The kid that seals now; lives as long as the ring. */
const char *seal_keyring_kid(const struct seal_keyring *ring);

void seal_keyring_free(struct seal_keyring *ring); /* NULL is fine */

/* Seals n bytes into out (cap >= n + SEAL_OVERHEAD_MAX suffices); *outlen bytes written. */
enum seal_result seal_encrypt(const struct seal_keyring *ring, const char *aad, const void *plain,
                              size_t n, unsigned char *out, size_t cap, size_t *outlen);

/*
 * Opens a sealed value into out (cap >= n suffices; a NUL is not added). Nothing of the plaintext
 * is left in out unless the result is OK. The caller wipes it with seal_wipe when done.
 */
enum seal_result seal_decrypt(const struct seal_keyring *ring, const char *aad, const void *sealed,
                              size_t n, void *out, size_t cap, size_t *outlen);

/*
 * Whether a sealed value uses the key that seals now: 1 yes, 0 re-seal it, -1 not a sealed value.
 */
int seal_is_current(const struct seal_keyring *ring, const void *sealed, size_t n);

void seal_wipe(void *p, size_t n);      /* overwrites; the compiler cannot drop it */
void seal_wipe_free(void *p, size_t n); /* and frees what malloc gave; NULL is fine */

#endif
