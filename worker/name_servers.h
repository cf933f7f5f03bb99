/*
 * The setting dns_servers: addresses of name servers, "192.0.2.53, 192.0.2.54:5353, [2001:db8::53]:53".
 *
 * Separated by commas or spaces; port 53 unless given; IPv6 with a port stands in brackets (RFC 3986 section 3.2.2).
 * They are the operator's word: the address guard has no say here. It holds no memory of its own.
 */
#ifndef DLO_WORKER_NAME_SERVERS_H
#define DLO_WORKER_NAME_SERVERS_H

#include <stddef.h>

#include <ares.h>

#include "common/limits.h"

struct name_servers {
    int count;
    struct ares_addr_port_node list[LIMIT_DNS_SERVERS]; /* not linked: see name_servers_use */
};

/* "" or NULL: none, the system's are meant. -1 with a line for the operator in err; *out is then empty. */
int name_servers_parse(const char *text, struct name_servers *out, char *err, size_t errlen);
/* Puts them in the place of the system's, if there are any. 0 or c-ares's status. */
int name_servers_use(const struct name_servers *s, ares_channel channel);

#endif
