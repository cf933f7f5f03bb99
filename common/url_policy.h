/*
 * url_policy: which URLs may be a destination, judged by spelling and literal address alone.
 *
 * The raw bytes are judged first, then libcurl's own parser, so that what was checked is what will
 * be requested. The caller stores and uses only the normalised URL. Run at creation, at change, and
 * before every attempt; names are judged again by address_guard once they were resolved.
 *
 * It never resolves a name, and a reason never holds an address that was looked up.
 */
#ifndef DLO_COMMON_URL_POLICY_H
#define DLO_COMMON_URL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/address_guard.h"

#define URL_POLICY_BYTES_MAX 2048

struct url_parts {
    char *url;    /* normalised: lower-case scheme and host, no fragment, no default port; owned */
    char *host;   /* lower case, IPv6 without brackets, as it is looked up and pinned; owned */
    char *origin; /* "https://host" or "https://host:8443", IPv6 in brackets (RFC 6454); owned */
    uint16_t port;
    bool https;
    bool is_literal;              /* the host is an address: nothing is looked up */
    struct sockaddr_storage addr; /* of a literal, port included */
};

/*
 * Judges len bytes (they may hold NUL). Returns 0 with *out filled, to be given to
 * url_policy_release; or -1 with *out empty and *why a static sentence fit for the tenant ("the
 * port is not allowed").
 *
 * Rules: at most 2048 bytes of 0x21-0x7e without backslash; http or https and exactly two slashes;
 * no '%' and no '@' in the authority; canonical dotted IPv4 or bracketed IPv6 that address_guard
 * lets pass, or a name of two or more labels of 1-63 letters, digits, '-' and '_', not ending in a
 * dot, a number or a reserved domain; port 80, 443 or >= 1024 but not a well-known internal
 * service.
 *
 * The operator's list (may be NULL) lets in: literals inside it on any port from 1, and, when it
 * holds 127.0.0.1, the name localhost and names below it, on any port. Public hosts keep the port
 * rule.
 */
int url_policy_check(const char *url, size_t len, const struct address_allow *allow,
                     struct url_parts *out, const char **why);

/* Frees what check filled; safe on a zeroed or refused struct. */
void url_policy_release(struct url_parts *parts);

#endif
