/*
 * A webhook's secrets on their way into the database: the signing key, the custom headers, the
 * client certificate with its key, sealed and bound to the row they are for.
 *
 * AAD: "webhooks|secret|<public id>|<project id>" and likewise "headers" and "tls", the public id in its
 * hyphenated lower-case form, the project's internal number in decimal. The sender opens them with
 * the same words. old_secret_sealed is a moved secret_sealed: bound to 'secret' as well.
 */
#ifndef DLO_FCGI_WEBHOOK_SEAL_H
#define DLO_FCGI_WEBHOOK_SEAL_H

#include <stddef.h>

#include <jansson.h>

#include "common/ids.h"
#include "common/seal.h"

struct webhook_place {
    const struct seal_keyring *ring;
    struct uuid id;
    int project_id;
};

/* Each 0 with *out malloc'd (free with free), or -1, logged. */
int webhook_seal_secret(const struct webhook_place *at, const unsigned char *key, size_t keylen,
                        unsigned char **out, size_t *outlen);
/* An empty object is sealed as nothing: *out NULL. */
int webhook_seal_headers(const struct webhook_place *at, const json_t *headers, unsigned char **out,
                         size_t *outlen);
int webhook_seal_tls(const struct webhook_place *at, const char *pem, size_t n, unsigned char **out,
                     size_t *outlen);

/* The headers back as an object of strings; NULL sealed bytes are an empty one. NULL: logged. */
json_t *webhook_seal_open_headers(const struct webhook_place *at, const unsigned char *sealed,
                                  size_t n);

#endif
