/* See webhook_secret.h. Memory only: a crash leaves nothing. Must never log a key. */
#include "fcgi/webhook_secret.h"

#include <stdlib.h>
#include <string.h>

#include "common/seal.h"

int webhook_secret_parse(bool v1a, const json_t *value, unsigned char key[SIGNING_KEY_MAX],
                         size_t *keylen)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    *keylen = SIGNING_KEY_MAX;
    int parsed = v1a ? signing_v1a_parse(text, n, key) : signing_secret_parse(text, n, key, keylen);
    if (parsed != 0)
        *keylen = 0;
    return parsed;
}

const char *webhook_secret_is(bool v1a)
{
    return v1a ? "The secret must be whsk_ and the base64 of an Ed25519 seed and its public key."
               : "The secret must be whsec_ and the base64 of 24 to 64 bytes.";
}

static int fresh(bool v1a, unsigned char key[SIGNING_KEY_MAX], size_t *keylen)
{
    char text[SIGNING_SECRET_TEXT];
    *keylen = SIGNING_KEY_MAX;
    int made = v1a ? signing_v1a_new(key) : signing_secret_new(key, keylen, text);
    seal_wipe(text, sizeof text);
    return made;
}

int webhook_secret_make(const struct webhook_place *at, bool v1a,
                        unsigned char key[SIGNING_KEY_MAX], size_t *keylen,
                        struct webhook_secret *out)
{
    memset(out, 0, sizeof *out);
    if (*keylen == 0 && fresh(v1a, key, keylen) != 0)
        return -1;
    if (v1a)
        signing_v1a_public(key, out->public_text);
    else
        signing_secret_text(key, *keylen, out->text);
    if (webhook_seal_secret(at, key, *keylen, &out->sealed, &out->sealed_len) == 0)
        return 0;
    webhook_secret_release(out);
    return -1;
}

void webhook_secret_release(struct webhook_secret *s)
{
    free(s->sealed);
    seal_wipe(s, sizeof *s);
}
