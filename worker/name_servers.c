/*
 * See name_servers.h. Pure text to addresses; c-ares's own parser would take "127.0.0.1:99999" and worse.
 */
#include "worker/name_servers.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address_guard.h"

#define PORT 53
#define TEXT_MAX 64

static int parse_port(const char *text, int *out)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 5 || text[n] != '\0')
        return -1;
    *out = (int)strtol(text, NULL, 10);
    return *out >= 1 && *out <= 65535 ? 0 : -1;
}

/* Cuts the port off: behind the bracket, or behind the only colon. Returns where the address begins, NULL if bent. */
static char *split(char *text, int *port)
{
    char *end = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');
    *port = PORT;
    if (text[0] == '[') {
        if (!end || (end[1] && (end[1] != ':' || parse_port(end + 2, port))))
            return NULL;
        *end = '\0';
        return text + 1;
    }
    if (!end || strchr(end + 1, ':'))
        return text;
    *end = '\0';
    return parse_port(end + 1, port) ? NULL : text;
}

static int add(struct name_servers *s, const char *text, size_t len)
{
    char copy[TEXT_MAX], *address;
    struct sockaddr_storage addr;
    int port;
    if (len >= sizeof copy || s->count == LIMIT_DNS_SERVERS)
        return -1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    address = split(copy, &port);
    if (!address || address_guard_literal(address, &addr))
        return -1;
    struct ares_addr_port_node *node = &s->list[s->count++];
    *node =
        (struct ares_addr_port_node){.family = addr.ss_family, .udp_port = port, .tcp_port = port};
    if (addr.ss_family == AF_INET)
        memcpy(&node->addr, &((struct sockaddr_in *)(void *)&addr)->sin_addr, 4);
    else
        memcpy(&node->addr, &((struct sockaddr_in6 *)(void *)&addr)->sin6_addr, 16);
    return 0;
}

int name_servers_parse(const char *text, struct name_servers *out, char *err, size_t errlen)
{
    static const char separators[] = ", \t\r\n";
    const char *p = text ? text : "";
    *out = (struct name_servers){0};
    for (p += strspn(p, separators); *p; p += strspn(p, separators)) {
        size_t len = strcspn(p, separators);
        if (add(out, p, len)) {
            snprintf(err, errlen,
                     "'%.*s' is not one of at most %d addresses with or without a port",
                     (int)(len < TEXT_MAX ? len : TEXT_MAX), p, LIMIT_DNS_SERVERS);
            *out = (struct name_servers){0};
            return -1;
        }
        p += len;
    }
    return 0;
}

int name_servers_use(const struct name_servers *s, ares_channel channel)
{
    struct name_servers linked = *s;
    for (int i = 0; i + 1 < linked.count; i++)
        linked.list[i].next = &linked.list[i + 1];
    return linked.count ? ares_set_servers_ports(channel, linked.list) : ARES_SUCCESS;
}
