/*
 * uri_reference: a reference against a base (RFC 3986 section 5.2), as names and never as addresses.
 *
 * The identifiers of JSON Schema are compared, not fetched, so nothing is looked up, checked for a known scheme or
 * normalised beyond dot segments; "urn:" works as "http:" does. (The URLs that are connected to are libcurl's to
 * parse: url_policy.h.)
 */
#ifndef DLO_COMMON_URI_REFERENCE_H
#define DLO_COMMON_URI_REFERENCE_H

#include <stddef.h>

#define URI_REFERENCE_MAX 1024

/* The resolved reference, with its fragment if it has one. The base may be "". -1: longer than cap - 1. */
int uri_reference_resolve(const char *base, const char *reference, char *out, size_t cap);

#endif
