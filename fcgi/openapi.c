/*
 * The document that describes all of this: GET /v1/openapi.json, docs/openapi.json as it was when the program was made.
 *
 * Open to everybody: it says nothing about a tenant or an installation. Must never touch the database. Memory only; a
 * crash leaves nothing.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "fcgi/handlers.h"
#include "openapi.h"

#define TAG_BYTES 16 /* of SHA-256 */

/* A strong tag of the bytes themselves (RFC 9110 section 8.8.3), made once a process. NULL: no digest. */
static const char *tag(void)
{
    static char text[2 * TAG_BYTES + 3];
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t n = 1;
    if (text[0])
        return text;
    if (EVP_Digest(openapi_json, openapi_json_len, digest, NULL, EVP_sha256(), NULL) != 1)
        return NULL;
    for (size_t i = 0; i < TAG_BYTES; i++, n += 2)
        snprintf(text + n, sizeof text - n, "%02x", digest[i]);
    text[n] = '"';
    text[0] = '"';
    return text;
}

void openapi_get(struct call *c)
{
    const char *etag = tag();
    const char *known = request_header(c->rq, "HTTP_IF_NONE_MATCH");
    if (etag)
        response_header(c->rs, "ETag", etag);
    if (etag && known && (strstr(known, etag) || strcmp(known, "*") == 0))
        response_empty(c->rs, 304);
    else
        response_bytes(c->rs, 200, "application/json", openapi_json, openapi_json_len);
}

const struct route openapi_routes[] = {
    {METHOD_GET, "/v1/openapi.json", openapi_get, SCOPE_NONE, 0, 0, NULL},
    {.pattern = NULL},
};
