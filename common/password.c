/*
 * password: scrypt in PHC strings, and random texts.
 *
 * Owns nothing between calls; each hash takes 32 MiB for 0.2 s, and its callers bound how many run
 * at once. It must never compare in a way whose time tells where texts differ, nor follow
 * parameters from a stored string beyond MAX_MEMORY. A crash leaves nothing.
 */
#include "common/password.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/base64.h"

/* 2^15, 8, 3: as strong as OWASP's 2^17, 8, 1 for a quarter of its memory. */
#define LOG_N 15
#define BLOCK_R 8
#define LANES_P 3
#define LANES_MAX 16
#define MAX_MEMORY (UINT64_C(64) << 20) /* OpenSSL's default of 32 MiB refuses N = 2^15 */
#define SALT_BYTES 16
#define HASH_BYTES 32
#define SALT_MAX 64

struct phc {
    unsigned log_n, r, p;
    unsigned char salt[SALT_MAX], hash[HASH_BYTES];
    size_t salt_len;
};

/* HMAC pads its key with NUL, so "x" and "x" NUL would be one password: NUL is none. */
static int is_password(const char *password, size_t n)
{
    return n <= PASSWORD_BYTES_MAX && (n == 0 || memchr(password, '\0', n) == NULL);
}

static int derive(const struct phc *phc, const char *password, size_t n,
                  unsigned char out[HASH_BYTES])
{
    return EVP_PBE_scrypt(password, n, phc->salt, phc->salt_len, UINT64_C(1) << phc->log_n, phc->r,
                          phc->p, MAX_MEMORY, out, HASH_BYTES) == 1
               ? 0
               : -1;
}

static void write_phc(const struct phc *phc, char out[PASSWORD_TEXT_MAX])
{
    char salt[BASE64_TEXT(SALT_BYTES)], hash[BASE64_TEXT(HASH_BYTES)];

    (void)base64_encode_bare(phc->salt, SALT_BYTES, salt);
    (void)base64_encode_bare(phc->hash, HASH_BYTES, hash);
    snprintf(out, PASSWORD_TEXT_MAX, "$scrypt$ln=%u,r=%u,p=%u$%s$%s", phc->log_n, phc->r, phc->p,
             salt, hash);
}

int password_hash(const char *password, size_t n, char out[PASSWORD_TEXT_MAX])
{
    struct phc phc = {.log_n = LOG_N, .r = BLOCK_R, .p = LANES_P, .salt_len = SALT_BYTES};

    if (!is_password(password, n) || RAND_bytes(phc.salt, SALT_BYTES) != 1 ||
        derive(&phc, password, n, phc.hash) != 0)
        return -1;
    write_phc(&phc, out);
    return 0;
}

/* "name=number" and its end; the text behind it, or NULL. */
static const char *read_parameter(const char *p, const char *name, unsigned max, char end,
                                  unsigned *out)
{
    size_t len = strlen(name);
    char *behind;
    unsigned long value;

    if (strncmp(p, name, len) != 0 || p[len] < '1' || p[len] > '9')
        return NULL;
    value = strtoul(p + len, &behind, 10);
    *out = (unsigned)value;
    return value <= max && *behind == end ? behind + 1 : NULL;
}

static int read_phc(const char *text, struct phc *out)
{
    static const char name[] = "$scrypt$";
    const char *p = text, *dollar;
    size_t hash_len;

    if (strncmp(p, name, sizeof(name) - 1) != 0)
        return -1;
    p += sizeof(name) - 1;
    if ((p = read_parameter(p, "ln=", 20, ',', &out->log_n)) == NULL ||
        (p = read_parameter(p, "r=", 32, ',', &out->r)) == NULL ||
        (p = read_parameter(p, "p=", LANES_MAX, '$', &out->p)) == NULL ||
        (dollar = strchr(p, '$')) == NULL)
        return -1;
    if (base64_decode(p, (size_t)(dollar - p), out->salt, SALT_MAX, &out->salt_len) != 0 ||
        base64_decode(dollar + 1, strlen(dollar + 1), out->hash, HASH_BYTES, &hash_len) != 0)
        return -1;
    return out->salt_len > 0 && hash_len == HASH_BYTES ? 0 : -1;
}

static int is_todays(const struct phc *phc)
{
    return phc->log_n == LOG_N && phc->r == BLOCK_R && phc->p == LANES_P &&
           phc->salt_len >= SALT_BYTES;
}

enum password_result password_verify(const char *text, const char *password, size_t n)
{
    unsigned char hash[HASH_BYTES];
    struct phc phc;
    int same;

    if (!is_password(password, n))
        return PASSWORD_WRONG;
    if (read_phc(text, &phc) != 0 || derive(&phc, password, n, hash) != 0)
        return PASSWORD_MALFORMED;
    same = CRYPTO_memcmp(hash, phc.hash, sizeof(hash)) == 0;
    OPENSSL_cleanse(hash, sizeof(hash));
    if (!same)
        return PASSWORD_WRONG;
    return is_todays(&phc) ? PASSWORD_OK : PASSWORD_REHASH;
}

/* ---- random texts ---- */

/*
 * Bytes from the largest multiple of the alphabet's size on are thrown away: the rest is uniform.
 */
static void fill(char *out, size_t chars, const char *alphabet)
{
    size_t size = strlen(alphabet), limit = 256 - 256 % size, at = 0;
    unsigned char random[64];

    while (at < chars) {
        if (RAND_bytes(random, sizeof(random)) != 1)
            abort();
        for (size_t i = 0; i < sizeof(random) && at < chars; i++)
            if (random[i] < limit)
                out[at++] = alphabet[random[i] % size];
    }
    out[at] = '\0';
    OPENSSL_cleanse(random, sizeof(random));
}

void password_token_base62(char *out, size_t chars)
{
    fill(out, chars, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

void password_token_base32(char *out, size_t chars)
{
    fill(out, chars, "0123456789abcdefghjkmnpqrstvwxyz");
}

int password_token_digest(const char *token, size_t n, unsigned char out[PASSWORD_DIGEST_BYTES])
{
    static EVP_MD *sha256; /* fetched once; half the cost of looking it up each time */

    if (sha256 == NULL)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    return sha256 != NULL && EVP_Digest(token, n, out, NULL, sha256, NULL) == 1 ? 0 : -1;
}
