/*
 * signing: the signature headers of Standard Webhooks 1.0.0.
 *
 * Owns one HMAC context, fetched at the first signature and used for all: fetching costs more than
 * signing. It must never log, nor keep a key behind a call: the context is given the key anew for
 * each message and cleared with it by OpenSSL. A crash leaves nothing.
 */
#include "common/signing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "common/base64.h"

#define HMAC_BYTES 32
#define ED25519_HALF 32
#define ED25519_SIGNATURE 64
#define PREFIX_LEN 6 /* whsec_; whsk_ and whpk_ are one shorter */

static EVP_MAC *hmac;
static EVP_MAC_CTX *hmac_ctx;

void signing_release(void)
{
    EVP_MAC_CTX_free(hmac_ctx);
    EVP_MAC_free(hmac);
    hmac_ctx = NULL;
    hmac = NULL;
}

static int fetch_hmac(void)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    if (hmac_ctx != NULL)
        return 0;
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hmac_ctx = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    if (hmac_ctx != NULL && EVP_MAC_CTX_set_params(hmac_ctx, params) == 1)
        return 0;
    signing_release();
    return -1;
}

/* ---- secrets as text ---- */

static int decode(const char *prefix, const char *text, size_t len, unsigned char *key, size_t *n)
{
    size_t skip = strlen(prefix);

    if (len >= skip && memcmp(text, prefix, skip) == 0) {
        text += skip;
        len -= skip;
    }
    return base64_decode(text, len, key, SIGNING_KEY_MAX, n);
}

int signing_secret_parse(const char *text, size_t len, unsigned char key[SIGNING_KEY_MAX],
                         size_t *keylen)
{
    if (decode("whsec_", text, len, key, keylen) == 0 && *keylen >= SIGNING_KEY_MIN)
        return 0;
    OPENSSL_cleanse(key, SIGNING_KEY_MAX);
    *keylen = 0;
    return -1;
}

void signing_secret_text(const unsigned char *key, size_t keylen, char text[SIGNING_SECRET_TEXT])
{
    memcpy(text, "whsec_", PREFIX_LEN);
    (void)base64_encode(key, keylen, text + PREFIX_LEN);
}

int signing_secret_new(unsigned char key[SIGNING_KEY_MAX], size_t *keylen,
                       char text[SIGNING_SECRET_TEXT])
{
    *keylen = SIGNING_KEY_NEW;
    if (RAND_bytes(key, SIGNING_KEY_NEW) != 1)
        return -1;
    signing_secret_text(key, SIGNING_KEY_NEW, text);
    return 0;
}

/* ---- v1 ---- */

static int hmac_sha256(const unsigned char *key, size_t keylen, const char *head, size_t headlen,
                       const void *body, size_t len, unsigned char mac[HMAC_BYTES])
{
    size_t n = 0;

    if (EVP_MAC_init(hmac_ctx, key, keylen, NULL) == 1 &&
        EVP_MAC_update(hmac_ctx, (const unsigned char *)head, headlen) == 1 &&
        EVP_MAC_update(hmac_ctx, body, len) == 1 &&
        EVP_MAC_final(hmac_ctx, mac, &n, HMAC_BYTES) == 1 && n == HMAC_BYTES)
        return 0;
    return -1;
}

/* "id.seconds." of what is signed; -1 if the id is none (ours have 30 characters). */
static int make_head(const char *id, int64_t ts, char *out, size_t cap, size_t *len)
{
    int n = snprintf(out, cap, "%s.%" PRId64 ".", id, ts);

    if (n < 0 || (size_t)n >= cap)
        return -1;
    *len = (size_t)n;
    return 0;
}

int signing_v1(const unsigned char *key, size_t keylen, const char *id, int64_t ts,
               const void *body, size_t len, char out[SIGNING_V1_TEXT])
{
    unsigned char mac[HMAC_BYTES];
    char head[256];
    size_t headlen;

    if (keylen == 0 || fetch_hmac() != 0 || make_head(id, ts, head, sizeof(head), &headlen) != 0)
        return -1;
    if (hmac_sha256(key, keylen, head, headlen, len > 0 ? body : "", len, mac) != 0)
        return -1;
    memcpy(out, "v1,", 3);
    (void)base64_encode(mac, sizeof(mac), out + 3);
    return 0;
}

/* ---- v1a ---- */

static EVP_PKEY *load_seed(const unsigned char *key)
{
    return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, key, ED25519_HALF);
}

static int public_of_seed(const unsigned char *key, unsigned char out[ED25519_HALF])
{
    EVP_PKEY *pkey = load_seed(key);
    size_t n = ED25519_HALF;
    int ok = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, out, &n) == 1;

    EVP_PKEY_free(pkey);
    return ok ? 0 : -1;
}

int signing_v1a_new(unsigned char key[SIGNING_KEY_MAX])
{
    if (RAND_bytes(key, ED25519_HALF) != 1)
        return -1;
    return public_of_seed(key, key + ED25519_HALF);
}

int signing_v1a_parse(const char *text, size_t len, unsigned char key[SIGNING_KEY_MAX])
{
    unsigned char expected[ED25519_HALF];
    size_t n;

    if (decode("whsk_", text, len, key, &n) == 0 && n == SIGNING_KEY_MAX &&
        public_of_seed(key, expected) == 0 &&
        CRYPTO_memcmp(expected, key + ED25519_HALF, sizeof(expected)) == 0)
        return 0;
    OPENSSL_cleanse(key, SIGNING_KEY_MAX);
    return -1;
}

void signing_v1a_public(const unsigned char key[SIGNING_KEY_MAX], char out[SIGNING_PUBLIC_TEXT])
{
    memcpy(out, "whpk_", PREFIX_LEN - 1);
    (void)base64_encode(key + ED25519_HALF, ED25519_HALF, out + PREFIX_LEN - 1);
}

/* Ed25519 is one-shot: head and body must lie together. */
static unsigned char *join(const char *head, size_t headlen, const void *body, size_t len)
{
    unsigned char *all = OPENSSL_malloc(headlen + len);

    if (all == NULL)
        return NULL;
    memcpy(all, head, headlen);
    if (len > 0)
        memcpy(all + headlen, body, len);
    return all;
}

static int ed25519(const unsigned char *key, const unsigned char *text, size_t len,
                   unsigned char signature[ED25519_SIGNATURE])
{
    EVP_PKEY *pkey = load_seed(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = ED25519_SIGNATURE;
    int ok = pkey != NULL && ctx != NULL &&
             EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
             EVP_DigestSign(ctx, signature, &n, text, len) == 1 && n == ED25519_SIGNATURE;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok ? 0 : -1;
}

int signing_v1a(const unsigned char key[SIGNING_KEY_MAX], const char *id, int64_t ts,
                const void *body, size_t len, char out[SIGNING_V1A_TEXT])
{
    unsigned char signature[ED25519_SIGNATURE];
    unsigned char *text;
    char head[256];
    size_t headlen;
    int rc;

    if (make_head(id, ts, head, sizeof(head), &headlen) != 0)
        return -1;
    text = join(head, headlen, body, len);
    if (text == NULL)
        return -1;
    rc = ed25519(key, text, headlen + len, signature);
    OPENSSL_free(text);
    if (rc != 0)
        return -1;
    memcpy(out, "v1a,", 4);
    (void)base64_encode(signature, sizeof(signature), out + 4);
    return 0;
}
