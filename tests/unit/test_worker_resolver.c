/*
 * The resolver against a DNS server that lives in the test itself: one loop serves both, so nothing here waits for
 * anything but the loopback. Time is a parameter: TTLs are tested by asking later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "worker/clock.h"
#include "worker/lookups.h"
#include "worker/name_servers.h"
#include "worker/resolver.h"

#define FDS 1024
#define QUERIES 4096
#define A 1
#define CNAME 5
#define TXT 16
#define AAAA 28

/* --- the name server ---------------------------------------------------------------------------------------------- */

struct question {
    char name[256];
    int type;
    bool tcp;
    const unsigned char *id;
    const unsigned char *section; /* the question as it came */
    size_t section_len;
};

struct message {
    unsigned char data[65535];
    size_t len;
};

struct bench {
    int udp, listener, tcp;
    int fds[FDS];
    unsigned events[FDS];
    struct resolver *r;
    struct address_allow allow;
    int64_t skew_ms; /* how much later than it is the resolver is told */
    int answered;
    int asked, asked_tcp;
    char names[QUERIES][256];
    bool (*answer)(struct bench *b, const struct question *q, struct message *m); /* false: none */
    const char *a, *aaaa; /* what the usual answer holds, commas between */
    int ttl;
    int rcode;
};

static void put16(struct message *m, unsigned v)
{
    m->data[m->len++] = (unsigned char)(v >> 8);
    m->data[m->len++] = (unsigned char)v;
}

static void header(struct message *m, const struct question *q, unsigned flags, int rcode)
{
    m->len = 0;
    memcpy(m->data, q->id, 2);
    m->len = 2;
    put16(m, 0x8180 | flags | (unsigned)rcode);
    put16(m, 1);
    for (int i = 0; i < 3; i++)
        put16(m, 0);
    memcpy(m->data + m->len, q->section, q->section_len);
    m->len += q->section_len;
}

/* One record more; its owner is at `owner` (12: the name that was asked for). Returns where its data begins. */
static size_t record(struct message *m, unsigned owner, int type, int ttl, const void *data,
                     size_t len)
{
    put16(m, 0xc000 | owner);
    put16(m, (unsigned)type);
    put16(m, 1);
    put16(m, (unsigned)ttl >> 16);
    put16(m, (unsigned)ttl);
    put16(m, (unsigned)len);
    size_t at = m->len;
    memcpy(m->data + m->len, data, len);
    m->len += len;
    unsigned count = (unsigned)(m->data[6] << 8 | m->data[7]) + 1;
    m->data[6] = (unsigned char)(count >> 8);
    m->data[7] = (unsigned char)count;
    return at;
}

static void addresses(struct message *m, const struct question *q, unsigned owner, const char *list,
                      int ttl)
{
    unsigned char raw[16];
    while (list && *list) {
        char one[64];
        size_t n = strcspn(list, ",");
        snprintf(one, sizeof one, "%.*s", (int)n, list);
        list += n + (list[n] == ',');
        int family = strchr(one, ':') ? AF_INET6 : AF_INET;
        assert_int_equal(inet_pton(family, one, raw), 1);
        if ((family == AF_INET) == (q->type == A))
            record(m, owner, q->type, ttl, raw, family == AF_INET ? 4 : 16);
    }
}

static bool usual(struct bench *b, const struct question *q, struct message *m)
{
    header(m, q, 0, b->rcode);
    if (b->rcode == 0) {
        addresses(m, q, 12, b->a, b->ttl);
        addresses(m, q, 12, b->aaaa, b->ttl);
    }
    return true;
}

static void read_question(const unsigned char *data, size_t len, struct question *q)
{
    size_t at = 12, n = 0;
    assert_true(len > 16);
    while (data[at]) {
        for (unsigned i = 0; i < data[at]; i++)
            q->name[n++] = (char)data[at + 1 + i];
        q->name[n++] = '.';
        at += data[at] + 1u;
    }
    q->name[n ? n - 1 : 0] = '\0';
    q->type = data[at + 1] << 8 | data[at + 2];
    q->id = data;
    q->section = data + 12;
    q->section_len = at + 5 - 12;
}

static bool compose(struct bench *b, const unsigned char *data, size_t len, bool tcp,
                    struct message *m)
{
    struct question q = {.tcp = tcp};
    read_question(data, len, &q);
    if (b->asked < QUERIES)
        snprintf(b->names[b->asked], sizeof b->names[0], "%s", q.name);
    b->asked++;
    b->asked_tcp += tcp;
    return b->answer(b, &q, m);
}

static struct message reply;

static void serve_udp(struct bench *b)
{
    unsigned char data[2048];
    struct sockaddr_in from;
    socklen_t fromlen = sizeof from;
    ssize_t n = recvfrom(b->udp, data, sizeof data, 0, (struct sockaddr *)&from, &fromlen);
    if (n > 0 && compose(b, data, (size_t)n, false, &reply))
        sendto(b->udp, reply.data, reply.len, 0, (struct sockaddr *)&from, fromlen);
}

static void serve_tcp(struct bench *b)
{
    unsigned char data[2048];
    ssize_t n = recv(b->tcp, data, sizeof data, 0);
    if (n > 2 && compose(b, data + 2, (size_t)n - 2, true, &reply)) {
        unsigned char len[2] = {(unsigned char)(reply.len >> 8), (unsigned char)reply.len};
        send(b->tcp, len, 2, MSG_MORE);
        send(b->tcp, reply.data, reply.len, 0);
    } else if (n <= 0) {
        close(b->tcp);
        b->tcp = -1;
    }
}

static uint16_t open_server(struct bench *b)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    for (int i = 0; i < 20; i++) { /* a port that is free for both */
        b->listener = socket(AF_INET, SOCK_STREAM, 0);
        b->udp = socket(AF_INET, SOCK_DGRAM, 0);
        at.sin_port = 0;
        assert_int_equal(bind(b->listener, (struct sockaddr *)&at, len), 0);
        assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &len), 0);
        if (bind(b->udp, (struct sockaddr *)&at, len) == 0 && listen(b->listener, 8) == 0)
            return ntohs(at.sin_port);
        close(b->listener);
        close(b->udp);
    }
    fail_msg("no port");
    return 0;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void watch(void *arg, int fd, unsigned events, bool known)
{
    struct bench *b = arg;
    int i = 0;
    while (i < FDS && b->fds[i] != (known ? fd : -1))
        i++;
    assert_true(i < FDS);
    b->fds[i] = events ? fd : -1;
    b->events[i] = events;
}

static void answered(void *arg)
{
    ((struct bench *)arg)->answered++;
}

static int64_t now(const struct bench *b)
{
    return clock_ms() + b->skew_ms;
}

/* One round of both; false when nothing happened for `ms`. */
static bool turn(struct bench *b, int ms)
{
    struct pollfd p[FDS + 3];
    resolver_tick(b->r, now(b));
    for (int i = 0; i < FDS; i++)
        p[i] = (struct pollfd){
            b->fds[i],
            (b->events[i] & EPOLLIN ? POLLIN : 0) | (b->events[i] & EPOLLOUT ? POLLOUT : 0), 0};
    p[FDS] = (struct pollfd){b->udp, POLLIN, 0};
    p[FDS + 1] = (struct pollfd){b->listener, POLLIN, 0};
    p[FDS + 2] = (struct pollfd){b->tcp, POLLIN, 0};
    if (poll(p, FDS + 3, ms) <= 0)
        return false;
    if (p[FDS].revents)
        serve_udp(b);
    if (p[FDS + 1].revents && b->tcp < 0)
        b->tcp = accept(b->listener, NULL, NULL);
    if (p[FDS + 2].revents)
        serve_tcp(b);
    for (int i = 0; i < FDS; i++)
        if (p[i].revents && b->fds[i] == p[i].fd)
            resolver_ready(b->r, p[i].fd, p[i].revents & (POLLIN | POLLERR | POLLHUP),
                           p[i].revents & POLLOUT);
    resolver_tick(b->r, now(b));
    return true;
}

static void settle(struct bench *b)
{
    while (turn(b, 50))
        ;
}

static struct sockaddr_storage pin;

static enum resolver_answer get(struct bench *b, int32_t project, const char *host)
{
    return resolver_get(b->r, project, host, now(b), &pin);
}

/* Asks until it is known. */
static enum resolver_answer resolve(struct bench *b, int32_t project, const char *host)
{
    enum resolver_answer answer;
    for (int i = 0; (answer = get(b, project, host)) == RESOLVER_PENDING && i < 200; i++)
        turn(b, 50);
    return answer;
}

static const char *pinned(void)
{
    static char text[INET6_ADDRSTRLEN];
    const void *raw = pin.ss_family == AF_INET
                          ? (const void *)&((struct sockaddr_in *)(void *)&pin)->sin_addr
                          : (const void *)&((struct sockaddr_in6 *)(void *)&pin)->sin6_addr;
    return inet_ntop(pin.ss_family, raw, text, sizeof text);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct resolver_owner owner = {b, watch, answered};
    char servers[64];
    signal(SIGPIPE, SIG_IGN);
    b->tcp = -1;
    b->answer = usual;
    b->ttl = 60;
    b->a = "93.184.216.34";
    for (int i = 0; i < FDS; i++)
        b->fds[i] = -1;
    snprintf(servers, sizeof servers, "127.0.0.1:%u", open_server(b));
    b->r = resolver_new(servers, &b->allow, &owner);
    assert_non_null(b->r);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    resolver_free(b->r);
    for (int i = 0; i < FDS; i++)
        assert_int_equal(b->fds[i], -1); /* what was watched is watched no more */
    close(b->udp);
    close(b->listener);
    if (b->tcp >= 0)
        close(b->tcp);
    free(b);
    return 0;
}

static int asked_for(const struct bench *b, const char *name)
{
    int n = 0;
    for (int i = 0; i < b->asked && i < QUERIES; i++)
        n += strcmp(b->names[i], name) == 0;
    return n;
}

/* --- what is answered --------------------------------------------------------------------------------------------- */

static bool listed(const char *list, const char *one)
{
    size_t n = strlen(one);
    for (const char *p = list; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
        if (strncmp(p, one, n) == 0 && (p[n] == ',' || !p[n]))
            return true;
    return false;
}

/* Filter and pin: REJECT unless an answer is public, and then only a public one is given out. */
static void shared_case(struct bench *b, const char *verdict, char *input, const char *note)
{
    char *list = strstr(input, " -> ");
    assert_non_null(list);
    *list = '\0';
    list += 4;
    b->a = list;
    enum resolver_answer answer = resolve(b, 1, input);
    if (strcmp(verdict, "REJECT") == 0) {
        assert_int_equal(answer, RESOLVER_REFUSED);
        return;
    }
    const char *must = strstr(note, "must connect to ") + 16;
    assert_int_equal(answer, RESOLVER_HIT);
    for (int i = 0; i < 4; i++, assert_int_equal(get(b, 1, input), RESOLVER_HIT)) {
        assert_true(listed(list, pinned()));
        assert_int_equal(strncmp(must, pinned(), strlen(pinned())), 0);
    }
}

static void every_shared_case_gets_its_verdict(void **state)
{
    FILE *f = fopen("tests/unit/ssrf_cases.txt", "r");
    char line[4096];
    int count = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char verdict[16], stage[16], input[256], note[256];
        if (sscanf(line, "%15[^\t]\t%15[^\t]\t%255[^\t\n]\t%255[^\n]", verdict, stage, input,
                   note) == 4 &&
            strcmp(stage, "dns") == 0) {
            shared_case(*state, verdict, input, note);
            count++;
        }
    }
    fclose(f);
    assert_true(count >= 6);
}

static void allowed_network_is_let_in_and_its_neighbour_is_not(void **state)
{
    struct bench *b = *state;
    char err[100];
    assert_int_equal(address_guard_parse_allow("10.20.0.0/16", &b->allow, err, sizeof err), 0);
    b->a = "10.20.1.5";
    assert_int_equal(resolve(b, 1, "inside.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "10.20.1.5");
    b->a = "10.21.1.5";
    assert_int_equal(resolve(b, 1, "beside.example.com"), RESOLVER_REFUSED);
    b->a = "::ffff:10.21.1.5";
    assert_int_equal(resolve(b, 1, "mapped.example.com"), RESOLVER_REFUSED);
    b->a = "::ffff:10.20.1.5";
    assert_int_equal(resolve(b, 1, "mapped-inside.example.com"), RESOLVER_HIT);
}

static void addresses_are_given_out_in_turn(void **state)
{
    struct bench *b = *state;
    b->a = "1.1.1.1,10.0.0.1,1.1.1.2";
    b->aaaa = "2606:4700::1111";
    assert_int_equal(resolve(b, 1, "many.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "1.1.1.1");
    get(b, 1, "many.example.com");
    assert_string_equal(pinned(), "1.1.1.2");
    get(b, 1, "many.example.com");
    assert_string_equal(pinned(), "1.1.1.1");
    assert_int_equal(b->asked, 1); /* IPv4 sufficed */
}

static const struct {
    int rcode;
    enum resolver_answer answer;
} rcodes[] = {
    {0, RESOLVER_NO_NAME},  /* NOERROR without a record */
    {1, RESOLVER_SERVFAIL}, /* FORMERR */
    {2, RESOLVER_SERVFAIL}, /* SERVFAIL */
    {3, RESOLVER_NO_NAME},  /* NXDOMAIN */
    {4, RESOLVER_SERVFAIL}, /* NOTIMP */
    {5, RESOLVER_SERVFAIL}, /* REFUSED */
    {9, RESOLVER_SERVFAIL}, /* NOTAUTH: c-ares does not know it */
};

static void each_rcode_is_told_apart(void **state)
{
    struct bench *b = *state;
    b->a = NULL;
    for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++) {
        char name[32];
        snprintf(name, sizeof name, "r%d.example.com", rcodes[i].rcode);
        b->rcode = rcodes[i].rcode;
        if (resolve(b, 1, name) != rcodes[i].answer)
            fail_msg("rcode %d", rcodes[i].rcode);
    }
}

static bool fails_for_a(struct bench *b, const struct question *q, struct message *m)
{
    b->rcode = q->type == A ? 2 : 0;
    return usual(b, q, m);
}

static bool fails_for_aaaa(struct bench *b, const struct question *q, struct message *m)
{
    b->rcode = q->type == AAAA ? 2 : 0;
    return usual(b, q, m);
}

static void trouble_with_one_family_is_not_a_name_that_does_not_exist(void **state)
{
    struct bench *b = *state;
    b->a = NULL;
    b->answer = fails_for_aaaa;
    assert_int_equal(resolve(b, 1, "half.example.com"), RESOLVER_SERVFAIL);
    b->answer = fails_for_a;
    assert_int_equal(resolve(b, 1, "otherhalf.example.com"), RESOLVER_SERVFAIL);
    b->aaaa = "2606:4700::1111";
    assert_int_equal(resolve(b, 1, "six.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "2606:4700::1111");
}

static bool silent(struct bench *b, const struct question *q, struct message *m)
{
    return strncmp(q->name, "dead", 4) != 0 && usual(b, q, m);
}

static void name_without_an_answer_is_given_up_in_time(void **state)
{
    struct bench *b = *state;
    b->answer = silent;
    assert_int_equal(get(b, 1, "dead.example.com"), RESOLVER_PENDING);
    settle(b);
    b->skew_ms = LIMIT_DNS_LOOKUP_MS - 1000;
    turn(b, 0);
    assert_int_equal(get(b, 1, "dead.example.com"), RESOLVER_PENDING);
    b->skew_ms = LIMIT_DNS_LOOKUP_MS + 1;
    int before = b->answered;
    turn(b, 0);
    assert_int_equal(b->answered, before + 1);
    assert_int_equal(get(b, 1, "dead.example.com"), RESOLVER_TIMEOUT);
}

static void nobody_listens(void **state)
{
    struct bench *b = *state;
    assert_int_equal(resolver_reload(b->r, "127.0.0.1:1"), 0);
    assert_int_equal(resolve(b, 1, "any.example.com"), RESOLVER_SERVFAIL);
}

static void localhost_needs_no_server(void **state)
{
    struct bench *b = *state;
    char err[100];
    assert_int_equal(get(b, 1, "localhost"), RESOLVER_REFUSED);
    assert_int_equal(address_guard_parse_allow("127.0.0.1/32", &b->allow, err, sizeof err), 0);
    assert_int_equal(get(b, 1, "hooks.localhost"), RESOLVER_HIT);
    assert_string_equal(pinned(), "127.0.0.1");
    assert_int_equal(b->asked, 0);
}

/* --- how long it is kept ------------------------------------------------------------------------------------------ */

static void later(struct bench *b, int64_t s)
{
    b->skew_ms += s * 1000;
}

static void answers_are_kept_for_their_ttl_within_bounds(void **state)
{
    static const struct {
        int ttl, kept_s;
    } cases[] = {{60, 60},
                 {0, LIMIT_DNS_TTL_MIN_S},
                 {86400, LIMIT_DNS_TTL_MAX_S},
                 {(int)0x80000000u, LIMIT_DNS_TTL_MIN_S}};
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "ttl%zu.example.com", i);
        b->ttl = cases[i].ttl;
        assert_int_equal(resolve(b, 1, name), RESOLVER_HIT);
        later(b, cases[i].kept_s * 3 / 4 - 1);
        assert_int_equal(get(b, 1, name), RESOLVER_HIT);
        settle(b);
        assert_int_equal(asked_for(b, name), 1);
        later(b, cases[i].kept_s / 4 + 3); /* over, and nobody asked in the last quarter */
        assert_int_equal(get(b, 1, name), RESOLVER_PENDING);
        assert_int_equal(resolve(b, 1, name), RESOLVER_HIT);
        assert_int_equal(asked_for(b, name), 2);
    }
}

static void name_in_use_is_refreshed_before_it_ends(void **state)
{
    struct bench *b = *state;
    assert_int_equal(resolve(b, 1, "busy.example.com"), RESOLVER_HIT);
    later(b, 50);
    b->a = "1.1.1.1";
    assert_int_equal(get(b, 1, "busy.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "93.184.216.34");
    settle(b);
    assert_int_equal(get(b, 1, "busy.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "1.1.1.1");
}

static void trouble_while_refreshing_spares_what_is_known_until_its_end(void **state)
{
    struct bench *b = *state;
    assert_int_equal(resolve(b, 1, "shaky.example.com"), RESOLVER_HIT);
    b->rcode = 2;
    later(b, 46);
    get(b, 1, "shaky.example.com");
    settle(b);
    assert_int_equal(get(b, 1, "shaky.example.com"), RESOLVER_HIT);
    later(b, 13); /* a second before its end */
    get(b, 1, "shaky.example.com");
    settle(b);
    assert_int_equal(get(b, 1, "shaky.example.com"), RESOLVER_HIT);
    later(b, 2);
    assert_int_equal(resolve(b, 1, "shaky.example.com"), RESOLVER_SERVFAIL);
}

static void name_that_moves_inside_is_refused(void **state)
{
    struct bench *b = *state;
    b->ttl = 0;
    assert_int_equal(resolve(b, 1, "rebind.example.com"), RESOLVER_HIT);
    b->a = "127.0.0.1";
    assert_int_equal(get(b, 1, "rebind.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "93.184.216.34"); /* pinned, whatever the server says now */
    later(b, LIMIT_DNS_TTL_MIN_S + 1);
    assert_int_equal(resolve(b, 1, "rebind.example.com"), RESOLVER_REFUSED);
}

static void failures_are_kept_for_their_time(void **state)
{
    static const struct {
        int rcode, kept_s;
    } cases[] = {{3, LIMIT_DNS_NO_NAME_S}, {2, LIMIT_DNS_TROUBLE_S}};
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "fails%zu.example.com", i);
        b->rcode = cases[i].rcode;
        resolve(b, 1, name);
        int asked = b->asked;
        later(b, cases[i].kept_s - 1);
        assert_int_not_equal(get(b, 1, name), RESOLVER_PENDING);
        settle(b);
        assert_int_equal(b->asked, asked);
        b->rcode = 0;
        later(b, 2);
        assert_int_equal(resolve(b, 1, name), RESOLVER_HIT);
    }
}

static bool alias(struct bench *b, const struct question *q, struct message *m)
{
    static const unsigned char target[] = "\6target\3net";
    header(m, q, 0, 0);
    size_t at = record(m, 12, CNAME, 7, target, sizeof target);
    addresses(m, q, (unsigned)at, b->a, 200);
    return true;
}

static void shortest_ttl_of_an_alias_counts(void **state)
{
    struct bench *b = *state;
    b->answer = alias;
    assert_int_equal(resolve(b, 1, "alias.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "93.184.216.34");
    later(b, 8);
    assert_int_equal(get(b, 1, "alias.example.com"), RESOLVER_PENDING);
}

static bool uneven(struct bench *b, const struct question *q, struct message *m)
{
    header(m, q, 0, 0);
    addresses(m, q, 12, b->a, 100);
    addresses(m, q, 12, "1.1.1.1", 8);
    return true;
}

static void shortest_ttl_of_several_records_counts(void **state)
{
    struct bench *b = *state;
    b->answer = uneven;
    assert_int_equal(resolve(b, 1, "uneven.example.com"), RESOLVER_HIT);
    later(b, 9);
    assert_int_equal(get(b, 1, "uneven.example.com"), RESOLVER_PENDING);
}

static void reload_forgets_all(void **state)
{
    struct bench *b = *state;
    assert_int_equal(resolve(b, 1, "kept.example.com"), RESOLVER_HIT);
    assert_int_equal(resolver_reload(b->r, "nonsense"), -1);
    assert_int_equal(get(b, 1, "kept.example.com"), RESOLVER_HIT);
    assert_int_equal(resolver_reload(b->r, "127.0.0.1:1"), 0);
    assert_int_equal(get(b, 1, "kept.example.com"), RESOLVER_PENDING);
}

static void cache_is_bounded_and_forgets_what_was_not_used(void **state)
{
    struct bench *b = *state;
    struct resolver_counts counts;
    char name[48];
    b->answer = silent;
    get(b, 1, "dead.example.com"); /* the oldest, and it must stay */
    assert_int_equal(resolve(b, 1, "first.example.com"), RESOLVER_HIT);
    assert_int_equal(resolve(b, 1, "unused.example.com"), RESOLVER_HIT);
    for (int i = 0; i < LIMIT_DNS_NAMES + 100; i++) {
        snprintf(name, sizeof name, "n%d.localhost", i); /* known without asking */
        assert_int_not_equal(get(b, 1, name), RESOLVER_PENDING);
        if (i % 1000 == 0)
            get(b, 1, "first.example.com");
    }
    resolver_count(b->r, &counts);
    assert_int_equal(counts.names, LIMIT_DNS_NAMES);
    assert_int_equal(get(b, 1, "first.example.com"), RESOLVER_HIT);
    assert_int_equal(get(b, 1, "unused.example.com"), RESOLVER_PENDING);
}

/* --- whose turn it is --------------------------------------------------------------------------------------------- */

static void ask_dead(struct bench *b, int32_t project, int n)
{
    for (int i = 0; i < n; i++) {
        char name[48];
        snprintf(name, sizeof name, "dead%d-%d.example.com", project, i);
        assert_int_equal(get(b, project, name), RESOLVER_PENDING);
    }
}

static int under_way(const struct bench *b)
{
    struct resolver_counts counts;
    resolver_count(b->r, &counts);
    return counts.under_way;
}

static void project_with_dead_names_holds_a_quarter(void **state)
{
    struct bench *b = *state;
    b->answer = silent;
    ask_dead(b, 1, 200);
    settle(b);
    assert_int_equal(under_way(b), LIMIT_DNS_LOOKUPS / 4);
    assert_int_equal(resolve(b, 2, "alive.example.com"), RESOLVER_HIT);
    assert_int_equal(resolve(b, 3, "alive-too.example.com"), RESOLVER_HIT);
    assert_int_equal(get(b, 1, "alive-mine.example.com"), RESOLVER_PENDING);
}

static void many_projects_hold_no_more_than_all(void **state)
{
    struct bench *b = *state;
    b->answer = silent;
    for (int32_t project = 1; project <= 6; project++)
        ask_dead(b, project, 30);
    settle(b);
    assert_int_equal(under_way(b), LIMIT_DNS_LOOKUPS);
    get(b, 7, "alive.example.com");
    assert_int_equal(get(b, 7, "alive.example.com"), RESOLVER_PENDING);
    b->skew_ms += LIMIT_DNS_LOOKUP_MS + 1; /* those are given up; each project has its turn */
    assert_int_equal(resolve(b, 7, "alive.example.com"), RESOLVER_HIT);
}

static void all_of_a_long_line_are_looked_up_in_the_end(void **state)
{
    struct bench *b = *state;
    int n = LIMIT_DNS_PROJECT_WAITING + LIMIT_DNS_LOOKUPS + 100, known = 0;
    for (int round = 0; known < n && round < 100; round++) {
        known = 0;
        for (int i = 0; i < n; i++) {
            char name[48];
            snprintf(name, sizeof name, "long%d.example.com", i);
            known += get(b, 1, name) == RESOLVER_HIT;
        }
        settle(b);
    }
    assert_int_equal(known, n);
    assert_int_equal(b->asked, n);
}

static void those_that_ask_for_one_name_share_the_look_up(void **state)
{
    struct bench *b = *state;
    for (int32_t project = 1; project <= 10; project++)
        for (int i = 0; i < 3; i++)
            get(b, project, "shared.example.com");
    assert_int_equal(resolve(b, 1, "shared.example.com"), RESOLVER_HIT);
    assert_int_equal(b->asked, 1);
}

static void name_of_two_projects_does_not_wait_in_the_longer_line(void **state)
{
    struct bench *b = *state;
    b->answer = silent;
    ask_dead(b, 1, 200);
    get(b, 1, "popular.example.com");
    settle(b);
    assert_int_equal(get(b, 1, "popular.example.com"), RESOLVER_PENDING);
    assert_int_equal(resolve(b, 2, "popular.example.com"), RESOLVER_HIT);
    assert_int_equal(get(b, 1, "popular.example.com"), RESOLVER_HIT);
}

static void name_of_two_projects_is_looked_up_once(void **state)
{
    struct bench *b = *state;
    b->answer = silent;
    for (int32_t project = 1; project <= 2; project++) {
        ask_dead(b, project, LIMIT_DNS_LOOKUPS / 4);
        get(b, project, "popular.example.com"); /* stands in both lines */
    }
    settle(b);
    b->skew_ms += LIMIT_DNS_LOOKUP_MS + 1;
    assert_int_equal(resolve(b, 1, "popular.example.com"), RESOLVER_HIT);
    settle(b);
    assert_int_equal(asked_for(b, "popular.example.com"), 1);
}

/* --- hostile answers ---------------------------------------------------------------------------------------------- */

static bool truncated_over_udp(struct bench *b, const struct question *q, struct message *m)
{
    if (q->tcp)
        return usual(b, q, m);
    header(m, q, 0x0200, 0);
    addresses(m, q, 12, "1.1.1.1", 60);
    return true;
}

static void truncated_answer_is_asked_for_again_over_tcp(void **state)
{
    struct bench *b = *state;
    b->answer = truncated_over_udp;
    assert_int_equal(resolve(b, 1, "long.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "93.184.216.34");
    assert_int_equal(b->asked_tcp, 1);
}

/* As many private addresses as the name's digits say, then public ones. */
static bool four_thousand(struct bench *b, const struct question *q, struct message *m)
{
    unsigned private = (unsigned)strtoul(q->name, NULL, 10);
    if (!q->tcp)
        return truncated_over_udp(b, q, m);
    header(m, q, 0, 0);
    for (unsigned i = 0; i < 4000 && q->type == A; i++) {
        unsigned char first = i < private ? 10 : 8;
        unsigned char raw[4] = {first, 8, (unsigned char)(i >> 8), (unsigned char)i};
        record(m, 12, A, 60, raw, 4);
    }
    return true;
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void of_thousands_of_records_the_first_are_read(void **state)
{
    struct bench *b = *state;
    b->answer = four_thousand;
    int64_t began = cpu_us();
    assert_int_equal(resolve(b, 1, "0.example.com"), RESOLVER_HIT);
    assert_in_range(cpu_us() - began, 0, 6000); /* 0.5 ms; reading all of them took 16 and more */
    for (int i = 0; i < LIMIT_DNS_ADDRESSES; i++)
        get(b, 1, "0.example.com");
    assert_string_equal(pinned(), "8.8.0.0"); /* round again: no more are kept */
    assert_int_equal(resolve(b, 1, "255.example.com"), RESOLVER_HIT);
    assert_string_equal(pinned(), "8.8.0.255");
    assert_int_equal(resolve(b, 1, "256.example.com"), RESOLVER_REFUSED);
}

static bool circle(struct bench *b, const struct question *q, struct message *m)
{
    static const unsigned char self[] = {0xc0, 12};
    (void)b;
    header(m, q, 0, 0);
    for (int i = 0; i < 50; i++)
        record(m, 12, CNAME, 60, self, sizeof self);
    return true;
}

static void aliases_in_a_circle_are_no_address(void **state)
{
    struct bench *b = *state;
    b->answer = circle;
    assert_int_equal(resolve(b, 1, "circle.example.com"), RESOLVER_NO_NAME);
}

static bool for_somebody_else(struct bench *b, const struct question *q, struct message *m)
{
    static const unsigned char other[] = "\5other\7example\3com";
    (void)b;
    header(m, q, 0, 0);
    size_t at = record(m, 12, TXT, 60, other, sizeof other);
    addresses(m, q, (unsigned)at, "1.1.1.1", 60);
    return true;
}

static void records_of_another_name_are_not_taken(void **state)
{
    struct bench *b = *state;
    b->answer = for_somebody_else;
    assert_int_equal(resolve(b, 1, "mine.example.com"), RESOLVER_NO_NAME);
}

static bool forged_id(struct bench *b, const struct question *q, struct message *m)
{
    usual(b, q, m);
    m->data[1] ^= 1;
    return true;
}

static bool forged_question(struct bench *b, const struct question *q, struct message *m)
{
    usual(b, q, m);
    m->data[13] ^= 1;
    return true;
}

static bool pointer_to_itself(struct bench *b, const struct question *q, struct message *m)
{
    usual(b, q, m);
    size_t at = 12 + q->section_len;
    m->data[at] = 0xc0;
    m->data[at + 1] = (unsigned char)at;
    return true;
}

static bool cut_short(struct bench *b, const struct question *q, struct message *m)
{
    usual(b, q, m);
    m->len -= 3;
    return true;
}

static bool nothing_at_all(struct bench *b, const struct question *q, struct message *m)
{
    (void)b;
    (void)q;
    m->len = 0;
    return true;
}

static const struct {
    bool (*answer)(struct bench *b, const struct question *q, struct message *m);
    const char *name;
} nonsense[] = {
    {forged_id, "id.example.com"},           {forged_question, "question.example.com"},
    {pointer_to_itself, "self.example.com"}, {cut_short, "short.example.com"},
    {nothing_at_all, "empty.example.com"},
};

static void nonsense_is_trouble_and_nothing_worse(void **state)
{
    struct bench *b = *state;
    b->a = "1.1.1.1";
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        b->answer = nonsense[i].answer;
        get(b, 1, nonsense[i].name);
        settle(b);
        enum resolver_answer answer = get(b, 1, nonsense[i].name);
        if (answer == RESOLVER_PENDING) { /* what was forged is not even listened to */
            b->skew_ms += LIMIT_DNS_LOOKUP_MS + 1;
            turn(b, 0);
            answer = get(b, 1, nonsense[i].name);
        }
        if (answer != RESOLVER_SERVFAIL && answer != RESOLVER_TIMEOUT)
            fail_msg("%s: %d", nonsense[i].name, (int)answer);
    }
}

/* --- the setting -------------------------------------------------------------------------------------------------- */

static void servers_are_read(void **state)
{
    struct name_servers s;
    char err[160], text[INET6_ADDRSTRLEN];
    (void)state;
    assert_int_equal(
        name_servers_parse("192.0.2.1, 192.0.2.2:5353 [2001:db8::1]:53,2001:db8::2,[::1]", &s, err,
                           sizeof err),
        0);
    assert_int_equal(s.count, 5);
    assert_int_equal(s.list[0].udp_port, 53);
    assert_int_equal(s.list[1].tcp_port, 5353);
    inet_ntop(AF_INET6, &s.list[3].addr, text, sizeof text);
    assert_string_equal(text, "2001:db8::2");
    assert_int_equal(name_servers_parse("", &s, err, sizeof err), 0);
    assert_int_equal(s.count, 0);
}

static void wrong_servers_are_refused(void **state)
{
    static const char *const wrong[] = {
        "dns.example.com", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:", "[::1",
        "[::1]x",          "[::1]:",      "127.0.0.1:53:53", "1.1.1.1:+5", "1 2 3 4 5 6 7 8 9"};
    struct name_servers s;
    char err[160];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (name_servers_parse(wrong[i], &s, err, sizeof err) == 0 || s.count != 0)
            fail_msg("'%s'", wrong[i]);
    assert_int_equal(name_servers_parse("1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
                                        "1.1.1.1,1.1.1.1",
                                        &s, err, sizeof err),
                     -1);
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(every_shared_case_gets_its_verdict),
        ON_BENCH(allowed_network_is_let_in_and_its_neighbour_is_not),
        ON_BENCH(addresses_are_given_out_in_turn),
        ON_BENCH(each_rcode_is_told_apart),
        ON_BENCH(trouble_with_one_family_is_not_a_name_that_does_not_exist),
        ON_BENCH(name_without_an_answer_is_given_up_in_time),
        ON_BENCH(nobody_listens),
        ON_BENCH(localhost_needs_no_server),
        ON_BENCH(answers_are_kept_for_their_ttl_within_bounds),
        ON_BENCH(name_in_use_is_refreshed_before_it_ends),
        ON_BENCH(trouble_while_refreshing_spares_what_is_known_until_its_end),
        ON_BENCH(name_that_moves_inside_is_refused),
        ON_BENCH(failures_are_kept_for_their_time),
        ON_BENCH(shortest_ttl_of_an_alias_counts),
        ON_BENCH(shortest_ttl_of_several_records_counts),
        ON_BENCH(reload_forgets_all),
        ON_BENCH(cache_is_bounded_and_forgets_what_was_not_used),
        ON_BENCH(project_with_dead_names_holds_a_quarter),
        ON_BENCH(many_projects_hold_no_more_than_all),
        ON_BENCH(all_of_a_long_line_are_looked_up_in_the_end),
        ON_BENCH(those_that_ask_for_one_name_share_the_look_up),
        ON_BENCH(name_of_two_projects_does_not_wait_in_the_longer_line),
        ON_BENCH(name_of_two_projects_is_looked_up_once),
        ON_BENCH(truncated_answer_is_asked_for_again_over_tcp),
        ON_BENCH(of_thousands_of_records_the_first_are_read),
        ON_BENCH(aliases_in_a_circle_are_no_address),
        ON_BENCH(records_of_another_name_are_not_taken),
        ON_BENCH(nonsense_is_trouble_and_nothing_worse),
        cmocka_unit_test(servers_are_read),
        cmocka_unit_test(wrong_servers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
