/*
 * Certificates and keys as PEM (RFC 7468).
 *
 * They come in as text and are judged here with OpenSSL, so that a sender never meets one it cannot use: what
 * is not PEM, a key of another certificate, an encrypted or weak key, a certificate past its time. Blocks of other
 * kinds are refused: a key pasted among certificates would be shown again.
 */
#ifndef DLO_FCGI_WEBHOOK_PEM_H
#define DLO_FCGI_WEBHOOK_PEM_H

#include <stddef.h>

#include <jansson.h>

/* One or more certificates; 0, or -1 with a sentence in *why. The text is kept as it was given. */
int webhook_pem_authorities(const char *pem, const char **why);

struct webhook_pem {
    char *pem; /* the certificates, then the key, as OpenSSL writes them; NULL: none */
    size_t len;
    json_t *shown; /* {subject (RFC 4514), notAfter, sha256} of the first certificate */
};

enum webhook_pem_fault {
    WEBHOOK_PEM_FINE,
    WEBHOOK_PEM_CERTIFICATE, /* what is wrong is in the certificate */
    WEBHOOK_PEM_KEY          /* or in the key */
};

/* A certificate, its chain behind it, and its key. On FINE the caller releases; else *why is a sentence. */
enum webhook_pem_fault webhook_pem_pair_read(const char *certificate, const char *key,
                                             struct webhook_pem *out, const char **why);
void webhook_pem_release(struct webhook_pem *c); /* wipes; may be called twice */

#endif
