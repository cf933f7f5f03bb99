/*
 * See webhook_pem.h. Memory only; a private key lives in OpenSSL's objects and in the PEM that the caller seals, both
 * wiped when done. Must never log what it was given, nor ask for a passphrase.
 */
#include "fcgi/webhook_pem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/seal.h"

#define CERTIFICATES_MAX 100
#define SECURITY_BITS_MIN                                                                          \
    112 /* OpenSSL's level 2, the default where senders run: RSA 2048, EC 224 */

/* --- certificates ----------------------------------------------------------------------------------------------- */

static bool at_end(void)
{
    unsigned long e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static X509 *decode(const char *name, const unsigned char *der, long n, const char **why)
{
    const unsigned char *p = der;
    if (strcmp(name, PEM_STRING_X509) != 0) {
        *why = "Only CERTIFICATE blocks may stand here.";
        return NULL;
    }
    X509 *x = d2i_X509(NULL, &p, n);
    if (x && p == der + n)
        return x;
    X509_free(x);
    *why = "A CERTIFICATE block holds no X.509 certificate.";
    return NULL;
}

/* 1 with the next certificate, 0 at the end, -1 with *why. */
static int next_certificate(BIO *in, X509 **out, const char **why)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    ERR_clear_error();
    if (PEM_read_bio(in, &name, &header, &der, &n) != 1) {
        *why = "The PEM text is damaged.";
        return at_end() ? 0 : -1;
    }
    *out = decode(name, der, n, why);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)n);
    return *out ? 1 : -1;
}

/* All certificates of a text, at least one; NULL with *why. */
static STACK_OF(X509) * certificates(const char *pem, const char **why)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *one;
    int got = -1;
    *why = "Out of memory.";
    while (all && in && (got = next_certificate(in, &one, why)) == 1)
        if (sk_X509_num(all) == CERTIFICATES_MAX || sk_X509_push(all, one) == 0) {
            X509_free(one);
            *why = "These are too many certificates.";
            got = -1;
            break;
        }
    BIO_free(in);
    ERR_clear_error();
    if (got == 0 && sk_X509_num(all) > 0)
        return all;
    if (got == 0)
        *why = "There is no PEM certificate in it.";
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

int webhook_pem_authorities(const char *pem, const char **why)
{
    STACK_OF(X509) *all = certificates(pem, why);
    sk_X509_pop_free(all, X509_free);
    return all ? 0 : -1;
}

/* --- what is shown ---------------------------------------------------------------------------------------------- */

static json_t *subject_of(X509 *x)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    json_t *subject = NULL;
    /* escapes everything beyond ASCII: whatever stands in it, the result is text */
    if (out && X509_NAME_print_ex(out, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0) {
        long n = BIO_get_mem_data(out, &text);
        subject = json_stringn(text, (size_t)n);
    }
    BIO_free(out);
    return subject;
}

static json_t *time_of(const ASN1_TIME *t)
{
    struct tm tm;
    char text[32];
    if (ASN1_TIME_to_tm(t, &tm) != 1 ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &tm) == 0)
        return NULL;
    return json_string(text);
}

static json_t *digest_of(X509 *x)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (X509_digest(x, EVP_sha256(), md, &n) != 1)
        return NULL;
    for (unsigned i = 0; i < n; i++) {
        hex[2 * i] = digits[md[i] >> 4];
        hex[2 * i + 1] = digits[md[i] & 15];
    }
    return json_stringn(hex, 2 * (size_t)n);
}

/* --- a client's pair -------------------------------------------------------------------------------------------- */

static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static EVP_PKEY *read_key(const char *pem, const char **why)
{
    bool asked = false;
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked) : NULL;
    BIO_free(in);
    ERR_clear_error();
    *why = asked ? "The key is encrypted; send it without a passphrase."
                 : "There is no PEM private key in it.";
    return key;
}

static enum webhook_pem_fault judge(STACK_OF(X509) * chain, EVP_PKEY *key, const char **why)
{
    X509 *first = sk_X509_value(chain, 0);
    int matches = X509_check_private_key(first, key);
    ERR_clear_error();
    if (matches != 1) {
        *why = "The key does not belong to the first certificate.";
        return WEBHOOK_PEM_KEY;
    }
    if (EVP_PKEY_security_bits(key) < SECURITY_BITS_MIN) {
        *why = "The key is too weak.";
        return WEBHOOK_PEM_KEY;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(first)) < 0) {
        *why = "The certificate has expired.";
        return WEBHOOK_PEM_CERTIFICATE;
    }
    return WEBHOOK_PEM_FINE;
}

/* Everything anew as PEM: what stood between the blocks is not kept. */
static int write_pair(STACK_OF(X509) * chain, EVP_PKEY *key, struct webhook_pem *out)
{
    BIO *pem = BIO_new(BIO_s_secmem());
    char *text;
    bool ok = pem != NULL;
    for (int i = 0; ok && i < sk_X509_num(chain); i++)
        ok = PEM_write_bio_X509(pem, sk_X509_value(chain, i)) == 1;
    ok = ok && PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1;
    long n = ok ? BIO_get_mem_data(pem, &text) : 0;
    if (n > 0 && (out->pem = malloc((size_t)n)) != NULL) {
        memcpy(out->pem, text, (size_t)n);
        out->len = (size_t)n;
    }
    BIO_free(pem); /* wipes */
    return out->pem ? 0 : -1;
}

static enum webhook_pem_fault take(STACK_OF(X509) * chain, EVP_PKEY *key, struct webhook_pem *out,
                                   const char **why)
{
    enum webhook_pem_fault fault = judge(chain, key, why);
    if (fault != WEBHOOK_PEM_FINE)
        return fault;
    X509 *first = sk_X509_value(chain, 0);
    out->shown = json_pack("{s:o, s:o, s:o}", "subject", subject_of(first), "notAfter",
                           time_of(X509_get0_notAfter(first)), "sha256", digest_of(first));
    if (out->shown && write_pair(chain, key, out) == 0)
        return WEBHOOK_PEM_FINE;
    webhook_pem_release(out);
    *why = "The certificate cannot be read.";
    return WEBHOOK_PEM_CERTIFICATE;
}

enum webhook_pem_fault webhook_pem_pair_read(const char *certificate, const char *key,
                                             struct webhook_pem *out, const char **why)
{
    memset(out, 0, sizeof *out);
    STACK_OF(X509) *chain = certificates(certificate, why);
    if (!chain)
        return WEBHOOK_PEM_CERTIFICATE;
    EVP_PKEY *pkey = read_key(key, why);
    enum webhook_pem_fault fault = pkey ? take(chain, pkey, out, why) : WEBHOOK_PEM_KEY;
    EVP_PKEY_free(pkey);
    sk_X509_pop_free(chain, X509_free);
    return fault;
}

void webhook_pem_release(struct webhook_pem *c)
{
    seal_wipe_free(c->pem, c->len);
    json_decref(c->shown);
    memset(c, 0, sizeof *c);
}
