/*
 * address_guard: which addresses a delivery may be sent to.
 *
 * Only globally reachable unicast, by the IANA special-purpose registries (IPv4; IPv6 of
 * 2025-10-09), less a cloud's wire server and every address of the host's own interfaces. The
 * operator's allow list, and nothing a tenant can set, lets in more. Used on literals in a URL, on
 * every resolved address, and on the address about to be connected to.
 *
 * It never resolves a name. IPv4-mapped IPv6 is judged as the IPv4 it holds, before the allow list
 * is read.
 */
#ifndef DLO_COMMON_ADDRESS_GUARD_H
#define DLO_COMMON_ADDRESS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_GUARD_NETS_MAX 64

struct address_net {
    unsigned char addr[16]; /* network order; IPv4 uses the first four */
    int family;             /* AF_INET or AF_INET6 */
    unsigned bits;
};

struct address_allow {
    size_t count;
    struct address_net nets[ADDRESS_GUARD_NETS_MAX];
};

enum address_verdict { ADDRESS_OK, ADDRESS_REFUSED };

/*
 * Parses "127.0.0.1/32,10.0.0.0/8,fd00::/8" (commas or spaces; a net without /bits is one address;
 * "" or NULL is the empty list). Bits set behind the prefix, and more than ADDRESS_GUARD_NETS_MAX
 * nets, are errors: an operator who wrote 10.1.2.3/8 meant something else. Returns 0, or -1 with a
 * line for the operator in err.
 */
int address_guard_parse_allow(const char *list, struct address_allow *out, char *err,
                              size_t errlen);

/* The verdict. allow may be NULL (empty). A family other than AF_INET and AF_INET6 is refused. */
enum address_verdict address_guard_check(const struct sockaddr *addr,
                                         const struct address_allow *allow);

/* Whether the operator's list holds the address, whatever else it is. */
bool address_guard_listed(const struct sockaddr *addr, const struct address_allow *allow);

/*
 * Reads the addresses of the host's interfaces (getifaddrs) into the cache that checks use; the
 * first check does it by itself. Call it every minute. Returns -1 and keeps the old list if the
 * system refuses, as it does where AF_NETLINK is forbidden: the start-up should say so.
 */
int address_guard_refresh(void);

/*
 * Fills a sockaddr from the text of a literal ("192.0.2.1", "2001:db8::1", no brackets, no zone).
 * Port 0. 0 or -1.
 */
int address_guard_literal(const char *text, struct sockaddr_storage *out);

#endif
