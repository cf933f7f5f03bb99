/*
 * The secret a webhook signs with (common/signing.h), on its way from a tenant or the random generator into the row.
 *
 * Of a v1 secret the text is for the one answer that shows it. Of a v1a pair only the public half is ever answered: a
 * receiver needs no more, and who has the private one can sign for us.
 */
#ifndef DLO_FCGI_WEBHOOK_SECRET_H
#define DLO_FCGI_WEBHOOK_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/signing.h"
#include "fcgi/webhook_seal.h"

struct webhook_secret {
    char text[SIGNING_SECRET_TEXT];        /* v1: shown once; "" for v1a */
    char public_text[SIGNING_PUBLIC_TEXT]; /* v1a: whpk_…; "" for v1 */
    unsigned char *sealed;
    size_t sealed_len;
};

/* A tenant's own: whsec_…, for v1a whsk_…; `value` is a string. 0 or -1. */
int webhook_secret_parse(bool v1a, const json_t *value, unsigned char key[SIGNING_KEY_MAX],
                         size_t *keylen);
/* What such a secret has to be, as a sentence. */
const char *webhook_secret_is(bool v1a);

/* Seals the key, or a new one when *keylen is 0. 0, or -1: logged, out has nothing. The caller releases. */
int webhook_secret_make(const struct webhook_place *at, bool v1a,
                        unsigned char key[SIGNING_KEY_MAX], size_t *keylen,
                        struct webhook_secret *out);
void webhook_secret_release(struct webhook_secret *s); /* wipes; may be called twice */

#endif
