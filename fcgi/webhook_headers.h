/*
 * A webhook's own request headers: what may be one, and how they are put together by a PATCH.
 *
 * Names are tokens (RFC 9110 section 5.6.2), values 0x20-0x7e and tab (section 5.5 without
 * obs-text); at most LIMIT_CUSTOM_HEADERS and LIMIT_CUSTOM_HEADER_BYTES of names and values.
 * Reserved names are those that frame the request, that we set ourselves, or that would let a
 * tenant speak for us. Values are secrets: no problem's text holds one.
 */
#ifndef DLO_FCGI_WEBHOOK_HEADERS_H
#define DLO_FCGI_WEBHOOK_HEADERS_H

#include <stdbool.h>

#include <jansson.h>

#include "fcgi/response.h"

/* A header's name: a token (RFC 9110 section 5.6.2). */
bool webhook_headers_is_token(const char *s);

/* Judges an object of name -> string, or null when `may_keep`. 0, or -1 with the problem in rs. */
int webhook_headers_check(const json_t *headers, bool may_keep, struct response *rs);

/*
 * Replaces each null by the value stored under that name, in any case of letters; a NULL `stored`
 * drops them instead: the values were for another origin. 0, or -1 with the problem in rs.
 */
int webhook_headers_keep(json_t *headers, const json_t *stored, struct response *rs);

/* The names as a new array, or NULL out of memory. */
json_t *webhook_headers_names(const json_t *headers);

#endif
