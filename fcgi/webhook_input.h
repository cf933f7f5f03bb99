/*
 * What a tenant sends to make or change a webhook, judged against API.md "Webhooks".
 *
 * One table (webhook_input.c) says of each field where it is stored, how it is read, its range and
 * its default. The result is complete: every settable column of the webhooks table under its
 * column's name, ready for jsonb_populate_record. A PATCH is read over the stored row, so what is
 * judged is what will be stored; a null in it asks for the default.
 *
 * 400: a field that is unknown, missing or of a wrong type. 422: well-formed, and refused by a
 * rule. The first problem found is answered, with its JSON Pointer. It never looks a name up and
 * never answers with a secret.
 */
#ifndef DLO_FCGI_WEBHOOK_INPUT_H
#define DLO_FCGI_WEBHOOK_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/address_guard.h"
#include "common/json_scan.h"
#include "common/signing.h"
#include "fcgi/response.h"
#include "fcgi/webhook_tls.h"

/* What the project and the operator allow, and how the caller spells it. */
struct webhook_rules {
    int64_t retention_s;
    const struct address_allow *allow;
    struct json_slice text; /* the body as it came: a schema is kept to the byte */
    bool subscription;      /* sent to /v1/subscriptions: pointers name its fields */
};

struct webhook_input {
    json_t *columns;    /* complete, by column name; header_names are set with the headers */
    json_t *sent;       /* array of the fields' names, for the audit */
    json_t *headers;    /* as sent; a null value stands for the stored one. NULL: not sent */
    bool origin_moved;  /* the URL went to another scheme, host or port */
    bool signing_moved; /* v1 <-> v1a: a stored webhook needs another secret */
    struct webhook_tls tls;
    size_t keylen; /* bytes of the secret that was sent; 0: none */
    unsigned char key[SIGNING_KEY_MAX];
};

/*
 * Reads `body` (an object) over `stored` (to_jsonb of the row), or over the defaults when stored is
 * NULL. 0, or -1 with the problem in rs and *out released. On 0 the caller releases.
 */
int webhook_input_read(const json_t *body, const json_t *stored, const struct webhook_rules *rules,
                       struct response *rs, struct webhook_input *out);
void webhook_input_release(struct webhook_input *in); /* wipes the secrets; may be called twice */

/* Whether a field was sent with a value that is not null. */
bool webhook_input_sent(const json_t *body, const char *field);
/* Whether the webhook signs with Ed25519. */
bool webhook_input_v1a(const struct webhook_input *in);
/* Whether it lists the channel $dlq. */
bool webhook_input_listens(const struct webhook_input *in);

#endif
