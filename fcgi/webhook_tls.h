/*
 * A webhook's field `tls`: the authorities its receiver is checked against, and the certificate it is shown (mTLS).
 *
 *     {"ca": "PEM", "clientCertificate": "PEM", "clientKey": "PEM"}
 *
 * `ca` is kept as it was given. Of the client's pair the row keeps subject, notAfter and sha256 to show; the pair itself
 * is sealed and never shown. Members that a PATCH does not send stay as they are; null takes them away.
 */
#ifndef DLO_FCGI_WEBHOOK_TLS_H
#define DLO_FCGI_WEBHOOK_TLS_H

#include <stdbool.h>

#include <jansson.h>

#include "fcgi/response.h"
#include "fcgi/webhook_pem.h"

struct webhook_tls {
    bool client_changes; /* the pair is replaced by `client`, or taken away */
    struct webhook_pem client;
};

/*
 * Reads an object into the columns tls_ca and tls_client, and *out. 0, or -1 with the problem in rs: 400 for what is no
 * such object, 422 for what cannot work. The caller releases out->client in either case.
 */
int webhook_tls_read(const json_t *value, json_t *columns, struct response *rs,
                     struct webhook_tls *out);

#endif
