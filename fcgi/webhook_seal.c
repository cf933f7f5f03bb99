/*
 * See webhook_seal.h. Plaintext lives here in buffers that are wiped before they are given back,
 * and in the JSON objects the caller owns. Must never log a value.
 */
#include "fcgi/webhook_seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define AAD_BYTES 96

static void aad_of(const struct webhook_place *at, const char *column, char out[AAD_BYTES])
{
    char hex[IDS_HEX_MAX];
    ids_to_hex(&at->id, hex);
    snprintf(out, AAD_BYTES, "webhooks|%s|%s|%d", column, hex, at->project_id);
}

static int seal_column(const struct webhook_place *at, const char *column, const void *plain,
                       size_t n, unsigned char **out, size_t *outlen)
{
    char aad[AAD_BYTES];
    aad_of(at, column, aad);
    *out = malloc(n + SEAL_OVERHEAD_MAX);
    if (*out &&
        seal_encrypt(at->ring, aad, plain, n, *out, n + SEAL_OVERHEAD_MAX, outlen) == SEAL_OK)
        return 0;
    log_error("cannot seal '%s'", aad);
    free(*out);
    *out = NULL;
    return -1;
}

int webhook_seal_secret(const struct webhook_place *at, const unsigned char *key, size_t keylen,
                        unsigned char **out, size_t *outlen)
{
    return seal_column(at, "secret", key, keylen, out, outlen);
}

int webhook_seal_headers(const struct webhook_place *at, const json_t *headers, unsigned char **out,
                         size_t *outlen)
{
    *out = NULL;
    *outlen = 0;
    if (json_object_size(headers) == 0)
        return 0;
    char *text = json_dumps(headers, JSON_COMPACT);
    if (!text)
        return -1;
    size_t n = strlen(text);
    int sealed = seal_column(at, "headers", text, n, out, outlen);
    seal_wipe_free(text, n);
    return sealed;
}

int webhook_seal_tls(const struct webhook_place *at, const char *pem, size_t n, unsigned char **out,
                     size_t *outlen)
{
    return seal_column(at, "tls", pem, n, out, outlen);
}

json_t *webhook_seal_open_headers(const struct webhook_place *at, const unsigned char *sealed,
                                  size_t n)
{
    char aad[AAD_BYTES];
    size_t len = 0;
    json_t *headers = NULL;
    if (!sealed)
        return json_object();
    aad_of(at, "headers", aad);
    char *plain = malloc(n);
    if (plain && seal_decrypt(at->ring, aad, sealed, n, plain, n, &len) == SEAL_OK)
        headers = json_loadb(plain, len, 0, NULL);
    if (!headers)
        log_error("cannot open '%s': the key was removed, or the value was changed", aad);
    seal_wipe_free(plain, n);
    return headers;
}
