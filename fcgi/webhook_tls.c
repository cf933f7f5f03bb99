/* See webhook_tls.h. Memory only. Must never put a key into a problem. */
#include "fcgi/webhook_tls.h"

#include <string.h>

#include "common/limits.h"
#include "fcgi/webhook_pointer.h"

static const char *const members[] = {"ca", "clientCertificate", "clientKey"};
#define MEMBERS (sizeof members / sizeof *members)

static int refuse(struct response *rs, int status, const char *code, const char *member,
                  const char *why)
{
    char pointer[WEBHOOK_POINTER_BYTES];
    webhook_pointer("tls", member, pointer, sizeof pointer);
    response_field_problem(rs, status, code, pointer, "%s", why);
    return -1;
}

static int check_member(const char *name, const json_t *value, struct response *rs)
{
    size_t i = 0;
    while (i < MEMBERS && strcmp(members[i], name) != 0)
        i++;
    if (i == MEMBERS)
        return refuse(rs, 400, "unknown-field", name, "There is no such field.");
    if (!json_is_string(value) && !json_is_null(value))
        return refuse(rs, 400, "wrong-type", name, "This must be PEM text, or null.");
    if (json_string_length(value) > LIMIT_TLS_PEM_BYTES)
        return refuse(rs, 422, "too-long", name, "The PEM text is too long.");
    return 0;
}

static int read_ca(const json_t *value, json_t *columns, struct response *rs)
{
    const char *why;
    if (!value)
        return 0;
    if (json_is_string(value) && webhook_pem_authorities(json_string_value(value), &why) != 0)
        return refuse(rs, 422, "bad-certificate", "ca", why);
    return json_object_set(columns, "tls_ca", (json_t *)value);
}

static int read_pair(const json_t *certificate, const json_t *key, json_t *columns,
                     struct response *rs, struct webhook_pem *out)
{
    const char *why;
    switch (
        webhook_pem_pair_read(json_string_value(certificate), json_string_value(key), out, &why)) {
    case WEBHOOK_PEM_CERTIFICATE:
        return refuse(rs, 422, "bad-certificate", "clientCertificate", why);
    case WEBHOOK_PEM_KEY:
        return refuse(rs, 422, "bad-key", "clientKey", why);
    case WEBHOOK_PEM_FINE:
        break;
    }
    return json_object_set(columns, "tls_client", out->shown);
}

/* Certificate and key come together, and go together. */
static int read_client(const json_t *certificate, const json_t *key, json_t *columns,
                       struct response *rs, struct webhook_tls *out)
{
    if (!certificate && !key)
        return 0;
    if (json_is_string(certificate) != json_is_string(key))
        return refuse(rs, 422, "incomplete-pair",
                      json_is_string(key) ? "clientCertificate" : "clientKey",
                      "clientCertificate and clientKey are sent together.");
    out->client_changes = true;
    if (!json_is_string(certificate))
        return json_object_set_new(columns, "tls_client", json_null());
    return read_pair(certificate, key, columns, rs, &out->client);
}

int webhook_tls_read(const json_t *value, json_t *columns, struct response *rs,
                     struct webhook_tls *out)
{
    const char *name;
    json_t *member;
    bool php = json_is_array(value) && json_array_size(value) == 0;
    if (!json_is_object(value) && !php)
        return refuse(rs, 400, "wrong-type", NULL,
                      "tls must be an object of ca, clientCertificate and clientKey.");
    json_object_foreach((json_t *)value, name, member)
    {
        if (check_member(name, member, rs) != 0)
            return -1;
    }
    if (read_ca(json_object_get(value, "ca"), columns, rs) != 0)
        return -1;
    return read_client(json_object_get(value, "clientCertificate"),
                       json_object_get(value, "clientKey"), columns, rs, out);
}
