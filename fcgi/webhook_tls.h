/*
 * A webhook's own TLS: the authorities its receiver is checked against, and the certificate it is shown (mTLS).
 *
 * PEM (RFC 7468) comes in as text and is judged here with OpenSSL, so that a sender never meets one it cannot use: what
 * is not PEM, a key of another certificate, an encrypted or weak key, a certificate past its time. Blocks of other
 * kinds are refused: a key pasted among certificates would be shown again.
 */
#ifndef DLO_FCGI_WEBHOOK_TLS_H
#define DLO_FCGI_WEBHOOK_TLS_H

#include <stddef.h>

#include <jansson.h>

/* One or more certificates; 0, or -1 with a sentence in *why. The text is kept as it was given. */
int webhook_tls_ca(const char *pem, const char **why);

struct webhook_tls_client {
    char *pem; /* the certificates, then the key, as OpenSSL writes them; NULL: none */
    size_t len;
    json_t *shown; /* {subject (RFC 4514), notAfter, sha256} of the first certificate */
};

enum webhook_tls_fault {
    WEBHOOK_TLS_FINE,
    WEBHOOK_TLS_CERTIFICATE, /* what is wrong is in the certificate */
    WEBHOOK_TLS_KEY          /* or in the key */
};

/* A certificate, its chain behind it, and its key. On FINE the caller releases; else *why is a sentence. */
enum webhook_tls_fault webhook_tls_client_read(const char *certificate, const char *key,
                                               struct webhook_tls_client *out, const char **why);
void webhook_tls_client_release(struct webhook_tls_client *c); /* wipes; may be called twice */

#endif
