/*
 * peer: a receiver of webhooks that behaves, or misbehaves, as the URL's path says. For tests, the
 * demo and benchmarks; plain HTTP/1.1 with keep-alive, one thread, a few microseconds a request.
 *
 *   peer --listen 127.0.0.1:0 [--listen 127.0.0.2:9000 ...]
 *        [--tls-cert F --tls-key F [--tls-client-ca F] --tls-listen 127.0.0.1:0]
 *        [--door KIND@127.0.0.1:0 ...] [--until-eof]
 *
 * prints `listening ADDRESS:PORT` (or `listening-tls ...`) for each, in order, and runs until
 * SIGTERM or SIGINT (with --until-eof also until its standard input ends, so that it does not
 * outlive a test that was killed). The modes stand in one table in modes.c, and `peer --help`
 * prints it; the control plane is described in control.h. /rec/MODE is MODE with the request kept
 * for /_control/requests. With --tls-client-ca a client must have a certificate of that authority. A
 * door is an address that misbehaves before a request could say how (door.c has the kinds).
 *
 * Owns the listening sockets and the loop. Must never talk to anybody but this machine: other
 * addresses are refused, also when listening on 0.0.0.0, which is for the whole of 127.0.0.0/8.
 * Everything it knows is in memory and bounded; a crash leaves nothing.
 */
#include "tests/peer/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/peer/door.h"
#include "tests/peer/modes.h"
#include "tests/peer/record.h"
#include "tests/peer/seen.h"

#define LISTENERS 64
#define EVENTS 256
#define CONNECTIONS_DEFAULT 30000u
#define BACKLOG 4096

struct listener {
    struct watch watch;
    int fd;
    SSL_CTX *tls;
    const struct door *door;
};

static struct options {
    struct {
        const char *address;
        bool tls;
        const struct door *door;
    } listen[LISTENERS];
    size_t listen_count;
    const char *cert;
    const char *key;
    const char *client_ca;
    uint32_t max_ids;
    unsigned max_connections;
    bool until_eof;
} options = {.max_ids = SEEN_IDS_DEFAULT, .max_connections = CONNECTIONS_DEFAULT};

static struct listener listeners[LISTENERS];
static volatile sig_atomic_t stopping;

static void usage(FILE *to)
{
    fputs("usage: peer --listen ADDRESS:PORT ... [--door KIND@A:P ...]\n"
          "            [--tls-cert F --tls-key F [--tls-client-ca F] --tls-listen A:P]\n"
          "            [--max-ids N] [--max-connections N] [--until-eof]\n"
          "Loopback addresses only; 0.0.0.0 serves all of 127.0.0.0/8. Port 0 takes a free one.\n"
          "The first part of a path chooses what happens, after /rec/ it is also recorded:\n",
          to);
    modes_print(to);
    fputs("Kinds of doors, which do it before they have read a request:\n", to);
    door_print(to);
}

static void add_listen(const char *address, bool tls, const struct door *door)
{
    if (options.listen_count == LISTENERS) {
        fprintf(stderr, "peer: more than %d addresses\n", LISTENERS);
        exit(2);
    }
    options.listen[options.listen_count].address = address;
    options.listen[options.listen_count].door = door;
    options.listen[options.listen_count++].tls = tls;
}

/* "KIND@ADDRESS:PORT" */
static void add_door(const char *text)
{
    char kind[32];
    const char *address = strchr(text, '@');
    (void)snprintf(kind, sizeof(kind), "%.*s", (int)(address ? address - text : 0), text);
    const struct door *door = door_find(kind);
    if (!door) {
        fprintf(stderr, "peer: '%s' is no door, see --help\n", text);
        exit(2);
    }
    add_listen(address + 1, false, door);
}

static void take_option(int which)
{
    switch (which) {
    case 'l':
        add_listen(optarg, false, NULL);
        break;
    case 't':
        add_listen(optarg, true, NULL);
        break;
    case 'd':
        add_door(optarg);
        break;
    case 'a':
        options.client_ca = optarg;
        break;
    case 'c':
        options.cert = optarg;
        break;
    case 'k':
        options.key = optarg;
        break;
    case 'i':
        options.max_ids = (uint32_t)span_number(span_of(optarg), 1, 100000000);
        break;
    case 'n':
        options.max_connections = (unsigned)span_number(span_of(optarg), 1, 1000000);
        break;
    case 'e':
        options.until_eof = true;
        break;
    case 'h':
        usage(stdout);
        exit(0);
    default:
        usage(stderr);
        exit(2);
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'},
        {"tls-listen", required_argument, NULL, 't'},
        {"door", required_argument, NULL, 'd'},
        {"tls-client-ca", required_argument, NULL, 'a'},
        {"tls-cert", required_argument, NULL, 'c'},
        {"tls-key", required_argument, NULL, 'k'},
        {"max-ids", required_argument, NULL, 'i'},
        {"max-connections", required_argument, NULL, 'n'},
        {"until-eof", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int which;
    while ((which = getopt_long(argc, argv, "h", known, NULL)) != -1)
        take_option(which);
    if (optind != argc || (options.cert == NULL) != (options.key == NULL)) {
        usage(stderr);
        exit(2);
    }
    if (options.listen_count == 0)
        add_listen("127.0.0.1:0", false, NULL);
}

/* ---- addresses ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* "127.0.0.1:80" or "[::1]:80"; -1 also for what is neither loopback nor 0.0.0.0. */
static int parse_address(const char *text, union address *a)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return -1;
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    unsigned long port = span_number(span_of(colon + 1), 65536, 65536);
    if (port > 65535)
        return -1;
    memset(a, 0, sizeof(*a));
    if (strcmp(host, "[::1]") == 0) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons((uint16_t)port);
        a->v6.sin6_addr = in6addr_loopback;
        return 0;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &a->v4.sin_addr) != 1)
        return -1;
    return is_loopback(a) || a->v4.sin_addr.s_addr == INADDR_ANY ? 0 : -1;
}

static void announce(int fd, bool tls)
{
    union address a;
    socklen_t size = sizeof(a);
    char host[64];
    const char *word = tls ? "listening-tls" : "listening";
    (void)getsockname(fd, &a.any, &size);
    if (a.any.sa_family == AF_INET6)
        printf("%s [::1]:%u\n", word, ntohs(a.v6.sin6_port));
    else
        printf("%s %s:%u\n", word, inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host)),
               ntohs(a.v4.sin_port));
    (void)fflush(stdout);
}

/* ---- listening ---- */

static void on_connection(struct watch *w, uint32_t events)
{
    struct listener *l = (struct listener *)w;
    (void)events;
    for (int i = 0; i < 256; i++) {
        union address from;
        socklen_t size = sizeof(from);
        int one = 1;
        int fd = accept4(l->fd, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (!is_loopback(&from)) {
            close(fd);
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (l->door)
            door_enter(l->door, fd);
        else
            conn_accept(fd, l->tls, NULL);
    }
}

static int listen_on(const union address *a, const struct door *door)
{
    int one = 1;
    socklen_t size = a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (door)
        door_prepare(door, fd);
    if (bind(fd, &a->any, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* A certificate of one's own is asked for only when somebody is named who may vouch for it. */
static bool ask_clients(SSL_CTX *tls)
{
    if (!options.client_ca)
        return true;
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return SSL_CTX_load_verify_locations(tls, options.client_ca, NULL) == 1;
}

static SSL_CTX *tls_context(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls && options.cert && SSL_CTX_use_certificate_chain_file(tls, options.cert) == 1 &&
        SSL_CTX_use_PrivateKey_file(tls, options.key, SSL_FILETYPE_PEM) == 1 && ask_clients(tls))
        return tls;
    fprintf(stderr, "peer: cannot use --tls-cert '%s' with --tls-key '%s'\n",
            options.cert ? options.cert : "", options.key ? options.key : "");
    exit(1);
}

static void open_listener(int epoll_fd, size_t i)
{
    struct listener *l = &listeners[i];
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &l->watch};
    union address a;
    bool tls = options.listen[i].tls;
    if (parse_address(options.listen[i].address, &a) < 0) {
        fprintf(stderr, "peer: '%s' is not a loopback address with a port\n",
                options.listen[i].address);
        exit(2);
    }
    l->watch.ready = on_connection;
    l->tls = tls ? tls_context() : NULL;
    l->door = options.listen[i].door;
    l->fd = listen_on(&a, l->door);
    if (l->fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &ev) < 0) {
        fprintf(stderr, "peer: cannot listen on '%s': %s\n", options.listen[i].address,
                strerror(errno));
        exit(1);
    }
    announce(l->fd, tls);
}

/* ---- the process ---- */

static void on_signal(int sig)
{
    (void)sig;
    stopping = 1;
}

static void on_input(struct watch *w, uint32_t events)
{
    char ignored[256];
    (void)w;
    (void)events;
    if (read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
        stopping = 1;
}

static void watch_input(int epoll_fd)
{
    static struct watch input = {on_input};
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &input};
    if (options.until_eof && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) < 0) {
        fprintf(stderr, "peer: --until-eof needs a pipe on standard input: %s\n", strerror(errno));
        exit(2);
    }
}

static void prepare_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGINT, &act, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as may be had; never more connections than that. */
static void prepare_descriptors(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < options.max_connections + 2 * LISTENERS)
        options.max_connections =
            files.rlim_cur > 4 * LISTENERS ? (unsigned)files.rlim_cur - 2 * LISTENERS : LISTENERS;
}

static void run(int epoll_fd)
{
    struct epoll_event events[EVENTS];
    struct timer *t;
    while (!stopping) {
        int n = epoll_wait(epoll_fd, events, EVENTS, timers_wait_ms(conn_now_ms));
        conn_now_ms = conn_clock_ms();
        for (int i = 0; i < n; i++) {
            struct watch *w = events[i].data.ptr;
            w->ready(w, events[i].events);
        }
        while ((t = timers_due(conn_now_ms)))
            conn_timer_fired(t);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    prepare_signals();
    prepare_descriptors();
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || conn_init(epoll_fd, options.max_connections) < 0 ||
        seen_init(options.max_ids) < 0) {
        fprintf(stderr, "peer: cannot start: %s\n", strerror(errno));
        return 1;
    }
    conn_now_ms = conn_clock_ms();
    for (size_t i = 0; i < options.listen_count; i++)
        open_listener(epoll_fd, i);
    watch_input(epoll_fd);
    run(epoll_fd);
    record_reset();
    seen_release();
    timers_release();
    return 0;
}
