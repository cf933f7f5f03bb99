/*
 * address_guard: two tables and a judge.
 *
 * Owns the cached list of the host's own addresses, which is the only thing here that changes. The
 * tables stand in this file alone and a unit test holds them; follow the IANA special-purpose
 * registries (IPv4; IPv6 of 2025-10-09) when they change. It must never let an IPv4-mapped address
 * past the IPv4 rules, nor read the allow list before unwrapping it. A crash leaves nothing.
 */
#include "common/address_guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_MAX 1024 /* addresses of this host; more are not a host that delivers webhooks */

static const struct address_net denied_v4[] = {
    {{0}, AF_INET, 8},                 /* "this network" */
    {{10}, AF_INET, 8},                /* private */
    {{100, 64}, AF_INET, 10},          /* carrier-grade NAT; clouds keep metadata here */
    {{127}, AF_INET, 8},               /* loopback */
    {{168, 63, 129, 16}, AF_INET, 32}, /* Azure's wire server, public by number only */
    {{169, 254}, AF_INET, 16},         /* link-local, instance metadata */
    {{172, 16}, AF_INET, 12},          /* private */
    {{192, 0, 0}, AF_INET, 24},        /* protocol assignments */
    {{192, 0, 2}, AF_INET, 24},        /* documentation */
    {{192, 31, 196}, AF_INET, 24},     /* AS112 */
    {{192, 52, 193}, AF_INET, 24},     /* AMT */
    {{192, 88, 99}, AF_INET, 24},      /* 6to4 relays */
    {{192, 168}, AF_INET, 16},         /* private */
    {{192, 175, 48}, AF_INET, 24},     /* AS112 */
    {{198, 18}, AF_INET, 15},          /* benchmarking */
    {{198, 51, 100}, AF_INET, 24},     /* documentation */
    {{203, 0, 113}, AF_INET, 24},      /* documentation */
    {{224}, AF_INET, 4},               /* multicast */
    {{240}, AF_INET, 4},               /* reserved, broadcast */
};

/*
 * All else is outside global unicast: loopback, NAT64, unique local, link-local, multicast, SRv6.
 */
static const struct address_net global_v6 = {{0x20}, AF_INET6, 3};

static const struct address_net denied_v6[] = {
    {{0x20, 0x01}, AF_INET6, 23},                         /* Teredo, ORCHID, AMT, benchmarking */
    {{0x20, 0x01, 0x0d, 0xb8}, AF_INET6, 32},             /* documentation */
    {{0x20, 0x02}, AF_INET6, 16},                         /* 6to4 holds any IPv4 */
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, AF_INET6, 48}, /* AS112 */
    {{0x3f, 0xff}, AF_INET6, 20},                         /* documentation */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct address_net own[OWN_MAX];
static size_t own_count;
static bool own_tried;

static unsigned family_bits(int family)
{
    return family == AF_INET ? 32 : 128;
}

static bool net_holds(const struct address_net *net, const struct address_net *addr)
{
    size_t whole = net->bits / 8;
    unsigned rest = net->bits % 8;

    if (net->family != addr->family || memcmp(net->addr, addr->addr, whole) != 0)
        return false;
    return rest == 0 || (net->addr[whole] ^ addr->addr[whole]) >> (8 - rest) == 0;
}

static bool any_holds(const struct address_net *nets, size_t n, const struct address_net *addr)
{
    for (size_t i = 0; i < n; i++)
        if (net_holds(&nets[i], addr))
            return true;
    return false;
}

static void unwrap_mapped(struct address_net *net)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (net->family != AF_INET6 || net->bits < 96 || memcmp(net->addr, mapped, sizeof(mapped)) != 0)
        return;
    memmove(net->addr, net->addr + 12, 4);
    memset(net->addr + 4, 0, 12);
    net->family = AF_INET;
    net->bits -= 96;
}

/* One address as a net of itself, IPv4-mapped unwrapped; -1 for other families. */
static int from_sockaddr(const struct sockaddr *addr, struct address_net *out)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;

    memset(out, 0, sizeof(*out));
    if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)
        return -1;
    out->family = addr->sa_family;
    out->bits = family_bits(out->family);
    if (out->family == AF_INET)
        memcpy(out->addr, &in->sin_addr, 4);
    else
        memcpy(out->addr, &in6->sin6_addr, 16);
    unwrap_mapped(out);
    return 0;
}

/* ---- the host's own addresses ---- */

static size_t collect_own(const struct ifaddrs *list, struct address_net *out)
{
    size_t n = 0;

    for (; list != NULL && n < OWN_MAX; list = list->ifa_next)
        if (list->ifa_addr != NULL && from_sockaddr(list->ifa_addr, &out[n]) == 0)
            n++;
    return n;
}

int address_guard_refresh(void)
{
    struct ifaddrs *list;

    own_tried = true;
    if (getifaddrs(&list) != 0)
        return -1;
    own_count = collect_own(list, own);
    freeifaddrs(list);
    return 0;
}

static bool is_own(const struct address_net *addr)
{
    if (!own_tried)
        (void)address_guard_refresh();
    return any_holds(own, own_count, addr);
}

/* ---- the verdict ---- */

static bool is_special(const struct address_net *addr)
{
    if (addr->family == AF_INET)
        return any_holds(denied_v4, COUNT(denied_v4), addr);
    return !net_holds(&global_v6, addr) || any_holds(denied_v6, COUNT(denied_v6), addr);
}

bool address_guard_listed(const struct sockaddr *addr, const struct address_allow *allow)
{
    struct address_net one;

    if (allow == NULL || from_sockaddr(addr, &one) != 0)
        return false;
    return any_holds(allow->nets, allow->count, &one);
}

enum address_verdict address_guard_check(const struct sockaddr *addr,
                                         const struct address_allow *allow)
{
    struct address_net one;

    if (from_sockaddr(addr, &one) != 0)
        return ADDRESS_REFUSED;
    if (allow != NULL && any_holds(allow->nets, allow->count, &one))
        return ADDRESS_OK;
    return is_special(&one) || is_own(&one) ? ADDRESS_REFUSED : ADDRESS_OK;
}

int address_guard_literal(const char *text, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        out->ss_family = AF_INET;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        out->ss_family = AF_INET6;
        return 0;
    }
    return -1;
}

/* ---- the operator's list ---- */

static int parse_bits(const char *text, unsigned max, unsigned *out)
{
    size_t n = strspn(text, "0123456789");
    unsigned long bits;

    if (n == 0 || n > 3 || text[n] != '\0')
        return -1;
    bits = strtoul(text, NULL, 10);
    *out = (unsigned)bits;
    return bits <= max ? 0 : -1;
}

static bool has_host_bits(const struct address_net *net)
{
    for (unsigned bit = net->bits; bit < family_bits(net->family); bit++)
        if ((net->addr[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return true;
    return false;
}

/* Parses one net in place ('/' is overwritten); NULL or what is wrong with it. */
static const char *parse_net(char *text, struct address_net *out)
{
    char *slash = strchr(text, '/');
    struct sockaddr_storage literal;

    if (slash != NULL)
        *slash = '\0';
    if (address_guard_literal(text, &literal) != 0)
        return "is not an address";
    memset(out, 0, sizeof(*out));
    out->family = literal.ss_family;
    out->bits = family_bits(out->family);
    (void)inet_pton(out->family, text, out->addr);
    if (slash != NULL && parse_bits(slash + 1, family_bits(out->family), &out->bits) != 0)
        return "has no valid prefix length";
    if (has_host_bits(out))
        return "has bits set behind its prefix length";
    unwrap_mapped(out);
    return NULL;
}

static const char *add_net(const char *text, size_t len, struct address_allow *out)
{
    char copy[64];

    if (len >= sizeof(copy))
        return "is too long";
    if (out->count == ADDRESS_GUARD_NETS_MAX)
        return "is one net too many";
    memcpy(copy, text, len);
    copy[len] = '\0';
    return parse_net(copy, &out->nets[out->count++]);
}

int address_guard_parse_allow(const char *list, struct address_allow *out, char *err, size_t errlen)
{
    static const char separators[] = ", \t\r\n";
    const char *p = list != NULL ? list : "";

    memset(out, 0, sizeof(*out));
    for (p += strspn(p, separators); *p != '\0'; p += strspn(p, separators)) {
        size_t len = strcspn(p, separators);
        const char *why = add_net(p, len, out);

        if (why != NULL) {
            snprintf(err, errlen, "allow list: '%.*s' %s", (int)(len < 64 ? len : 64), p, why);
            memset(out, 0, sizeof(*out));
            return -1;
        }
        p += len;
    }
    return 0;
}
