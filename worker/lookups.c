/*
 * See lookups.h. Owns the channels and knows which descriptor is whose. Must never wait, and never hand on an address
 * the guard did not pass. A crash leaves a query nobody reads the answer of.
 */
#include "worker/lookups.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ares.h>
#include <netdb.h>

#define TRY_MS 1000 /* then again after 1 and 3 s; with more servers, to each in turn */
#define TRIES 3
#define EDNS_BYTES 1232 /* what passes without fragments everywhere (DNS flag day 2020) */
#define CLASS_IN 1
#define WATCHED_MAX (LIMIT_DNS_LOOKUPS * 4)

struct lookup {
    struct lookups *set;
    ares_channel channel; /* NULL: this slot is free */
    const char *host;
    void *name;
    int families[2], step;
    bool asking, over, refused; /* refused: it has addresses that may not be connected to */
    int64_t give_up_ms, due_ms; /* due_ms 0: ask the channel */
    struct lookups_answer got;
};

struct lookups {
    struct lookups_owner owner;
    const struct name_servers *servers;
    const struct address_allow *allow;
    struct lookup slots[LIMIT_DNS_LOOKUPS];
    int count;
    struct watched {
        int fd;
        struct lookup *of;
    } watched[WATCHED_MAX];
    int nwatched;
};

struct lookups *lookups_new(const struct name_servers *servers, const struct address_allow *allow,
                            const struct lookups_owner *owner)
{
    struct lookups *l = calloc(1, sizeof *l);
    if (!l || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(l);
        return NULL;
    }
    l->servers = servers;
    l->allow = allow;
    l->owner = *owner;
    return l;
}

static void release(struct lookup *k)
{
    k->over = true; /* what the channel still says does not matter */
    ares_destroy(k->channel);
    k->channel = NULL;
    k->set->count--;
}

void lookups_free(struct lookups *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < LIMIT_DNS_LOOKUPS; i++)
        if (l->slots[i].channel)
            release(&l->slots[i]);
    ares_library_cleanup();
    free(l);
}

int lookups_count(const struct lookups *l)
{
    return l->count;
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static struct watched *find_watched(struct lookups *l, int fd)
{
    for (int i = 0; i < l->nwatched; i++)
        if (l->watched[i].fd == fd)
            return &l->watched[i];
    return NULL;
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct lookup *k = arg;
    struct lookups *l = k->set;
    struct watched *w = find_watched(l, fd);
    bool known = w != NULL;
    unsigned events = (readable ? (unsigned)EPOLLIN : 0) | (writable ? (unsigned)EPOLLOUT : 0);
    if (!events && !known)
        return;
    if (!events)
        *w = l->watched[--l->nwatched];
    else if (!known && l->nwatched == WATCHED_MAX)
        return; /* the look-up then runs out of time */
    else if (!known)
        l->watched[l->nwatched++] = (struct watched){fd, k};
    l->owner.watch(l->owner.arg, fd, events, known);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void add(struct lookup *k, int family, const void *bytes, int32_t ttl_s)
{
    union lookups_address a = {.any.sa_family = (sa_family_t)family};
    struct lookups_answer *got = &k->got;
    if (family == AF_INET)
        memcpy(&a.v4.sin_addr, bytes, sizeof a.v4.sin_addr);
    else
        memcpy(&a.v6.sin6_addr, bytes, sizeof a.v6.sin6_addr);
    if ((!got->count && !k->refused) || ttl_s < got->ttl_s)
        got->ttl_s = ttl_s < 0 ? 0 : ttl_s; /* the top bit set means 0 (RFC 2181 section 8) */
    if (address_guard_check(&a.any, k->set->allow) != ADDRESS_OK)
        k->refused = true;
    else if (got->count < LIMIT_DNS_ADDRESSES)
        got->list[got->count++] = a;
}

static int add_v4(struct lookup *k, const unsigned char *message, int len)
{
    struct ares_addrttl found[LIMIT_DNS_RECORDS];
    int n = LIMIT_DNS_RECORDS, rc = ares_parse_a_reply(message, len, NULL, found, &n);
    for (int i = 0; rc == ARES_SUCCESS && i < n; i++)
        add(k, AF_INET, &found[i].ipaddr, found[i].ttl);
    return rc != ARES_SUCCESS ? rc : n ? ARES_SUCCESS : ARES_ENODATA;
}

static int add_v6(struct lookup *k, const unsigned char *message, int len)
{
    struct ares_addr6ttl found[LIMIT_DNS_RECORDS];
    int n = LIMIT_DNS_RECORDS, rc = ares_parse_aaaa_reply(message, len, NULL, found, &n);
    for (int i = 0; rc == ARES_SUCCESS && i < n; i++)
        add(k, AF_INET6, &found[i].ip6addr, found[i].ttl);
    return rc != ARES_SUCCESS ? rc : n ? ARES_SUCCESS : ARES_ENODATA;
}

/* The header's RCODE is looked at because c-ares only knows the first six; its ANCOUNT is lowered before the parser
 * sees it. */
static int read_answer(struct lookup *k, unsigned char *message, int len)
{
    if (len < 12 || (message[3] & 0x0f) != 0)
        return ARES_ESERVFAIL;
    if ((message[6] << 8 | message[7]) > LIMIT_DNS_RECORDS) {
        message[6] = LIMIT_DNS_RECORDS >> 8;
        message[7] = LIMIT_DNS_RECORDS & 0xff;
    }
    return k->families[k->step] == AF_INET ? add_v4(k, message, len) : add_v6(k, message, len);
}

/* c-ares says ECONNREFUSED when all servers answered SERVFAIL or REFUSED, and when nobody listens. */
static enum resolver_answer meaning(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVER_HIT;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return RESOLVER_NO_NAME;
    case ARES_ETIMEOUT:
        return RESOLVER_TIMEOUT;
    default:
        return RESOLVER_SERVFAIL;
    }
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct lookup *k = arg;
    (void)timeouts;
    if (k->over)
        return;
    k->asking = false;
    if (status == ARES_SUCCESS)
        status = read_answer(k, message, len);
    if (meaning(status) > k->got.answer)
        k->got.answer = meaning(status);
}

/* --- one look-up -------------------------------------------------------------------------------------------------- */

static void finish(struct lookup *k)
{
    struct lookups *l = k->set;
    struct lookups_answer got = k->got;
    void *name = k->name;
    if (got.count)
        got.answer = RESOLVER_HIT;
    else if (k->refused)
        got.answer = RESOLVER_REFUSED;
    release(k); /* the slot is free for whom the owner begins now */
    l->owner.ended(l->owner.arg, name, &got);
}

static void ask(struct lookup *k)
{
    k->asking = true;
    k->due_ms = 0;
    /* 1 is A (RFC 1035), 28 is AAAA (RFC 3596). */
    ares_query(k->channel, k->host, CLASS_IN, k->families[k->step] == AF_INET ? 1 : 28, on_answer,
               k);
}

/* Goes on as far as it can without waiting. */
static void advance(struct lookup *k)
{
    while (!k->asking) {
        if (k->got.count || k->step == 1) {
            finish(k);
            return;
        }
        k->step++;
        ask(k);
    }
}

static bool is_local(const char *host)
{
    static const char name[] = ".localhost";
    size_t n = strlen(host), len = sizeof name - 1;
    return strcmp(host, name + 1) == 0 || (n > len && strcmp(host + n - len, name) == 0);
}

/* Has it addresses that are known without asking? */
static bool known_here(struct lookup *k)
{
    for (k->step = 0; k->step < 2 && !k->got.count; k->step++) {
        int family = k->families[k->step];
        struct hostent *h = NULL;
        if (ares_gethostbyname_file(k->channel, k->host, family, &h) == ARES_SUCCESS) {
            for (char **a = h->h_addr_list; *a; a++)
                add(k, family, *a, 0);
            ares_free_hostent(h);
        } else if (is_local(k->host)) {
            const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
            add(k, family, family == AF_INET ? (const void *)&loopback : &in6addr_loopback, 0);
        }
    }
    k->step = 0;
    return k->got.count || k->refused;
}

/* Is there a route to what is public, to a root server say? No packet is sent. */
static bool goes_out(int family)
{
    struct sockaddr_storage root;
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    address_guard_literal(family == AF_INET ? "198.41.0.4" : "2001:503:ba3e::2:30", &root);
    ((struct sockaddr_in *)(void *)&root)->sin_port = htons(53); /* at one place in both */
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool out = fd >= 0 && connect(fd, (struct sockaddr *)&root, len) == 0;
    if (fd >= 0)
        close(fd);
    return out;
}

/* IPv4 first wherever it works: one address is pinned, there is no second one to race it against (RFC 8305), and
 * IPv6 is what is broken without anybody noticing. */
static void order_families(struct lookup *k)
{
    bool six = !goes_out(AF_INET) && goes_out(AF_INET6);
    k->families[0] = six ? AF_INET6 : AF_INET;
    k->families[1] = six ? AF_INET : AF_INET6;
}

static int open_channel(struct lookup *k)
{
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = TRY_MS,
        .tries = TRIES,
        .ndots = 1,
        .ednspsz = EDNS_BYTES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = k,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_DOMAINS | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&k->channel, &o, mask) != ARES_SUCCESS) {
        k->channel = NULL;
        return -1;
    }
    k->set->count++;
    if (name_servers_use(k->set->servers, k->channel) == ARES_SUCCESS)
        return 0;
    release(k);
    return -1;
}

int lookups_start(struct lookups *l, const char *host, void *name, int64_t now_ms)
{
    struct lookup *k = l->slots;
    while (k < l->slots + LIMIT_DNS_LOOKUPS && k->channel)
        k++;
    if (k == l->slots + LIMIT_DNS_LOOKUPS)
        return -1;
    *k = (struct lookup){
        .set = l, .host = host, .name = name, .give_up_ms = now_ms + LIMIT_DNS_LOOKUP_MS};
    if (open_channel(k))
        return -1;
    order_families(k);
    if (known_here(k)) {
        finish(k);
        return 0;
    }
    ask(k);
    advance(k);
    return 0;
}

/* --- the loop's calls --------------------------------------------------------------------------------------------- */

void lookups_ready(struct lookups *l, int fd, bool readable, bool writable)
{
    struct watched *w = find_watched(l, fd);
    struct lookup *k = w ? w->of : NULL;
    if (!k)
        return; /* closed by an event of the same round */
    ares_process_fd(k->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    k->due_ms = 0; /* it goes on with the next tick */
}

static int64_t next_due(struct lookup *k, int64_t now_ms)
{
    struct timeval tv;
    if (!ares_timeout(k->channel, NULL, &tv))
        return k->give_up_ms;
    int64_t due_ms = now_ms + tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1; /* it rounds down */
    return due_ms < k->give_up_ms ? due_ms : k->give_up_ms;
}

static void tick(struct lookup *k, int64_t now_ms)
{
    if (now_ms >= k->give_up_ms) {
        k->got.answer = RESOLVER_TIMEOUT;
        finish(k);
    } else if (now_ms >= k->due_ms) {
        ares_process_fd(k->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        advance(k);
        if (k->channel)
            k->due_ms = next_due(k, now_ms);
    }
}

int64_t lookups_tick(struct lookups *l, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (struct lookup *k = l->slots; k < l->slots + LIMIT_DNS_LOOKUPS; k++) {
        if (k->channel)
            tick(k, now_ms);
        if (k->channel && k->due_ms < next)
            next = k->due_ms;
    }
    return next;
}
