/*
 * load: sends events to POST /v1/events or /v1/events/batch over keep-alive connections and prints
 * one line of JSON. Closed loop (each connection sends its next request when it has its answer), or
 * with --rate an open loop: request n is due at start + n/rate whatever the server does, and its
 * latency counts from then, so that a stall is not hidden by not having asked.
 *
 *   load --url http://127.0.0.1:8080/v1/events --header 'Authorization: Bearer KEY'
 *        --connections 32 --seconds 10 [--rate REQUESTS_PER_SECOND] [--events N] [--batch 1000]
 *        [--body-size 1024] [--type order.paid] [--type-count N] [--channel C]
 *        [--external-id] [--stamp]
 *
 * Every event is unique: an id counts up in its payload. --type-count makes the types
 * order.paid.0000, .0001, ... in turn, so that events spread over webhooks. --stamp puts
 * "sentAtNs" (CLOCK_REALTIME; with --rate the moment it was due) first in the payload, which the
 * peer makes latencies of. --external-id gives each event its own externalId, so that the dedup
 * table is exercised.
 *
 * Owns its sockets. Must never run longer than --seconds plus GRACE_S, and must stay cheap: it
 * shares the CPU with what it measures, so requests are built once and only digits in them are
 * changed.
 */
#include "tests/bench/answer.h"
#include "tests/bench/hist.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GRACE_S 10u
#define HEADERS 16
#define LANES_MAX 4096u
#define SECOND 1000000000ull
#define REST_NS (10 * 1000000ull) /* before a lane that failed tries again */
#define ID_DIGITS 16
#define STAMP_DIGITS 19
#define TYPE_DIGITS 4

static struct options {
    char host[256];
    char port[16];
    char path[1024];
    const char *headers[HEADERS];
    size_t header_count;
    const char *type;
    const char *channel;
    unsigned lanes;
    unsigned seconds;
    unsigned long rate;
    unsigned long events; /* 0: until the time is over */
    unsigned batch;       /* 0: single events */
    unsigned body_size;
    unsigned type_count;
    bool external_id;
    bool stamp;
} opt = {.type = "order.paid", .lanes = 32, .seconds = 10, .body_size = 1024};

enum lane_state { LANE_RESTING, LANE_IDLE, LANE_WAITING };

struct lane {
    int fd;
    enum lane_state state;
    uint32_t interest;
    uint64_t due_ns; /* when the request in it was due or sent */
    uint64_t rest_until;
    struct bytes out; /* this lane's copy of the request */
    size_t sent;
    struct answer answer;
    struct bytes body; /* of a batch's answer */
};

/* Where the digits are: in the request, of the first event; the others follow at `stride`. */
static struct {
    struct bytes request;
    size_t id, external_id, stamp, type; /* 0: not there */
    size_t stride;
    unsigned events;
} plan;

static struct {
    uint64_t requests, answered, events, accepted, errors, reconnects, unanswered;
    uint64_t status[1000];
    struct hist latency;
    uint64_t start_ns, last_ns;
} result;

static struct lane *lanes;
static int epoll_fd;
static uint64_t next_event = 1;
static struct addrinfo *target;

/* ---- clocks ---- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* ---- the request ---- */

static void must(int ok)
{
    if (ok < 0) {
        fprintf(stderr, "load: out of memory\n");
        exit(1);
    }
}

/* Writes `digits` zeros and returns where. */
static size_t put_digits(struct bytes *b, int digits)
{
    size_t at = b->len;
    must(bytes_printf(b, "%0*d", digits, 0));
    return at;
}

static void put_envelope(struct bytes *b)
{
    must(bytes_printf(b, "{\"eventType\":\"%s", opt.type));
    if (opt.type_count) {
        must(bytes_text(b, "."));
        plan.type = put_digits(b, TYPE_DIGITS);
    }
    must(bytes_text(b, "\""));
    if (opt.channel)
        must(bytes_printf(b, ",\"channel\":\"%s\"", opt.channel));
    if (opt.external_id) {
        must(bytes_printf(b, ",\"externalId\":\"load_%016llx_",
                          (unsigned long long)clock_ns(CLOCK_REALTIME)));
        plan.external_id = put_digits(b, ID_DIGITS);
        must(bytes_text(b, "\""));
    }
}

static void put_payload(struct bytes *b)
{
    size_t start = b->len;
    must(bytes_text(b, "{"));
    if (opt.stamp) {
        must(bytes_text(b, "\"sentAtNs\":"));
        plan.stamp = put_digits(b, STAMP_DIGITS);
        must(bytes_text(b, ","));
    }
    must(bytes_text(b, "\"id\":\"ord_"));
    plan.id = put_digits(b, ID_DIGITS);
    must(bytes_text(b, "\",\"note\":\""));
    while (b->len - start + 2 < opt.body_size)
        must(bytes_append(b, "abcdefghijklmnopqrstuvwxyz 0123456789" + (b->len % 37), 1));
    must(bytes_text(b, "\"}"));
}

static void put_event(struct bytes *b)
{
    put_envelope(b);
    must(bytes_text(b, ",\"payload\":"));
    put_payload(b);
    must(bytes_text(b, "}"));
}

static void put_head(struct bytes *b, size_t length)
{
    must(bytes_printf(b, "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\n",
                      opt.path, opt.host, opt.port));
    for (size_t i = 0; i < opt.header_count; i++)
        must(bytes_printf(b, "%s\r\n", opt.headers[i]));
    must(bytes_printf(b, "Content-Length: %zu\r\n\r\n", length));
}

static void shift(size_t *offset, size_t by)
{
    if (*offset)
        *offset += by;
}

/* The offsets are those in the single event, until all is put together. */
static void make_plan(void)
{
    struct bytes event = {0}, *b = &plan.request;
    const char *open = opt.batch ? "{\"events\":[" : "", *close = opt.batch ? "]}" : "";
    plan.events = opt.batch ? opt.batch : 1;
    put_event(&event);
    plan.stride = event.len + 1;
    put_head(b, strlen(open) + plan.events * plan.stride - 1 + strlen(close));
    must(bytes_text(b, open));
    shift(&plan.id, b->len);
    shift(&plan.external_id, b->len);
    shift(&plan.stamp, b->len);
    shift(&plan.type, b->len);
    for (unsigned i = 0; i < plan.events; i++) {
        must(bytes_text(b, i ? "," : ""));
        must(bytes_append(b, event.data, event.len));
    }
    must(bytes_text(b, close));
    bytes_release(&event);
}

static void patch(char *at, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
}

static void patch_event(char *event, uint64_t number, uint64_t stamp)
{
    patch(event + plan.id, ID_DIGITS, number);
    if (plan.external_id)
        patch(event + plan.external_id, ID_DIGITS, number);
    if (plan.stamp)
        patch(event + plan.stamp, STAMP_DIGITS, stamp);
    if (plan.type)
        patch(event + plan.type, TYPE_DIGITS, number % opt.type_count);
}

/* ---- lanes ---- */

static void lane_rest(struct lane *l, uint64_t now)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->state = LANE_RESTING;
    l->rest_until = now + REST_NS;
}

static void lane_fail(struct lane *l, uint64_t now)
{
    result.errors++;
    lane_rest(l, now);
}

/* Connecting to this machine is quick, and bounded by the send timeout where it is not. */
static int lane_connect(struct lane *l)
{
    struct timeval bound = {.tv_sec = 1};
    int one = 1;
    l->fd = socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -1;
    (void)setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};
    if (connect(l->fd, target->ai_addr, target->ai_addrlen) < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &ev) < 0)
        return -1;
    l->interest = EPOLLIN;
    l->state = LANE_IDLE;
    return 0;
}

static void lane_want(struct lane *l, uint32_t interest)
{
    struct epoll_event ev = {.events = interest, .data.ptr = l};
    if (l->interest != interest)
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, l->fd, &ev);
    l->interest = interest;
}

static void lane_send(struct lane *l)
{
    while (l->sent < l->out.len) {
        ssize_t n =
            send(l->fd, l->out.data + l->sent, l->out.len - l->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            lane_want(l, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n <= 0)
            return; /* reading tells why */
        l->sent += (size_t)n;
    }
    lane_want(l, EPOLLIN);
}

static void lane_start(struct lane *l, uint64_t due, uint64_t now)
{
    uint64_t wall = clock_ns(CLOCK_REALTIME) - (now - due);
    for (unsigned i = 0; i < plan.events; i++)
        patch_event(l->out.data + i * plan.stride, next_event++, wall);
    l->due_ns = due;
    l->sent = 0;
    l->answer = (struct answer){0};
    l->state = LANE_WAITING;
    result.requests++;
    lane_send(l);
}

static uint64_t count_text(const struct bytes *b, const char *text)
{
    uint64_t n = 0;
    const char *at = b->data, *end = b->data + b->len;
    size_t len = strlen(text);
    while (at && (at = memmem(at, (size_t)(end - at), text, len))) {
        n++;
        at += len;
    }
    return n;
}

static void lane_answered(struct lane *l, uint64_t now)
{
    int status = l->answer.status;
    bool good = status >= 200 && status < 300;
    result.answered++;
    result.status[status]++;
    result.events += good ? plan.events : 0;
    if (opt.batch)
        result.accepted += count_text(&l->body, "\"status\":\"accepted\"");
    else
        result.accepted += status == 202;
    bytes_clear(&l->body);
    hist_add(&result.latency, (now - l->due_ns) / 1000);
    result.last_ns = now;
    l->state = LANE_IDLE;
    if (l->answer.closes) {
        result.reconnects++;
        lane_rest(l, now - REST_NS); /* at once */
    }
}

static void lane_ended(struct lane *l, uint64_t now)
{
    if (l->state == LANE_WAITING && answer_end(&l->answer) == 0)
        lane_answered(l, now);
    else if (l->state == LANE_WAITING)
        lane_fail(l, now);
    else
        lane_rest(l, now); /* an idle keep-alive connection may go */
}

static void lane_receive(struct lane *l, uint64_t now)
{
    static char buffer[65536];
    ssize_t n = recv(l->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || l->state != LANE_WAITING) {
        lane_ended(l, now);
        return;
    }
    if (answer_feed(&l->answer, buffer, (size_t)n, opt.batch ? &l->body : NULL) < 0)
        lane_fail(l, now);
    else if (l->answer.part == ANSWER_DONE)
        lane_answered(l, now);
}

/* ---- the run ---- */

static bool more_to_send(uint64_t now)
{
    bool time_left = now < result.start_ns + opt.seconds * SECOND;
    return time_left && (opt.events == 0 || next_event <= opt.events);
}

/* When the next request is due; in a closed loop always now. */
static uint64_t next_due(uint64_t now)
{
    if (opt.rate == 0)
        return now;
    return result.start_ns + (uint64_t)((double)result.requests * 1e9 / (double)opt.rate);
}

static void wake(struct lane *l, uint64_t now)
{
    if (l->state == LANE_RESTING && now >= l->rest_until && lane_connect(l) < 0)
        lane_fail(l, now);
}

/* Gives every free lane something to do. Returns how many still wait for an answer. */
static unsigned deal(uint64_t now)
{
    unsigned waiting = 0;
    for (unsigned i = 0; i < opt.lanes; i++) {
        struct lane *l = &lanes[i];
        if (more_to_send(now)) {
            wake(l, now);
            uint64_t due = next_due(now);
            if (l->state == LANE_IDLE && due <= now)
                lane_start(l, due, now);
        }
        waiting += l->state == LANE_WAITING;
    }
    return waiting;
}

static void wait_and_serve(uint64_t now)
{
    struct epoll_event events[256];
    struct timespec wait = {.tv_nsec = (long)REST_NS};
    uint64_t due = next_due(now);
    if (opt.rate && due > now && due - now < REST_NS)
        wait.tv_nsec = (long)(due - now);
    int n = epoll_pwait2(epoll_fd, events, 256, &wait, NULL);
    now = now_ns();
    for (int i = 0; i < n; i++) {
        struct lane *l = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            lane_send(l);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            lane_receive(l, now);
    }
}

static void run(void)
{
    uint64_t now = result.start_ns = result.last_ns = now_ns();
    uint64_t hard_end = now + (opt.seconds + GRACE_S) * SECOND;
    for (;;) {
        now = now_ns();
        unsigned waiting = deal(now);
        if ((waiting == 0 && !more_to_send(now)) || now >= hard_end) {
            result.unanswered = waiting;
            return;
        }
        wait_and_serve(now);
    }
}

static void print_result(void)
{
    double seconds = (double)(result.last_ns - result.start_ns) / 1e9;
    const char *sep = "";
    printf(
        "{\"requests\":%llu,\"events\":%llu,\"accepted\":%llu,\"seconds\":%.3f,\"perSecond\":%.1f,"
        "\"status\":{",
        (unsigned long long)result.answered, (unsigned long long)result.events,
        (unsigned long long)result.accepted, seconds,
        seconds > 0 ? (double)result.events / seconds : 0);
    for (int i = 0; i < 1000; i++) {
        if (result.status[i] == 0)
            continue;
        printf("%s\"%d\":%llu", sep, i, (unsigned long long)result.status[i]);
        sep = ",";
    }
    printf("},\"p50Ms\":%.2f,\"p90Ms\":%.2f,\"p99Ms\":%.2f,\"maxMs\":%.2f,\"errors\":%llu,"
           "\"reconnects\":%llu,\"unanswered\":%llu}\n",
           hist_quantile_ms(&result.latency, 0.5), hist_quantile_ms(&result.latency, 0.9),
           hist_quantile_ms(&result.latency, 0.99), hist_max_ms(&result.latency),
           (unsigned long long)result.errors, (unsigned long long)result.reconnects,
           (unsigned long long)result.unanswered);
}

/* ---- options ---- */

static void usage(void)
{
    fprintf(stderr,
            "usage: load --url http://HOST:PORT/PATH [--header 'Name: value'] [--connections N]\n"
            "            [--seconds N] [--rate N] [--events N] [--body-size N] [--batch N]\n"
            "            [--type T] [--type-count N] [--channel C] [--external-id] [--stamp]\n");
    exit(2);
}

static void take_url(const char *url)
{
    if (sscanf(url, "http://%255[^:/]:%15[0-9]%1023s", opt.host, opt.port, opt.path) < 2)
        usage();
    if (opt.path[0] == '\0')
        (void)snprintf(opt.path, sizeof(opt.path), "/v1/events");
}

static void take_header(const char *line)
{
    if (opt.header_count == HEADERS)
        usage();
    opt.headers[opt.header_count++] = line;
}

static unsigned long number(unsigned long most)
{
    return span_number(span_of(optarg), 0, most);
}

static void take_option(int which)
{
    switch (which) {
    case 'u':
        take_url(optarg);
        break;
    case 'h':
        take_header(optarg);
        break;
    case 'c':
        opt.lanes = (unsigned)number(LANES_MAX);
        break;
    case 's':
        opt.seconds = (unsigned)number(86400);
        break;
    case 'r':
        opt.rate = number(1000000);
        break;
    case 'e':
        opt.events = number(1000000000);
        break;
    case 'b':
        opt.body_size = (unsigned)number(1 << 20);
        break;
    case 'B':
        opt.batch = (unsigned)number(10000);
        break;
    case 't':
        opt.type = optarg;
        break;
    case 'n':
        opt.type_count = (unsigned)number(10000);
        break;
    case 'C':
        opt.channel = optarg;
        break;
    case 'x':
        opt.external_id = true;
        break;
    case 'S':
        opt.stamp = true;
        break;
    default:
        usage();
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"url", 1, NULL, 'u'},        {"header", 1, NULL, 'h'},  {"connections", 1, NULL, 'c'},
        {"seconds", 1, NULL, 's'},    {"rate", 1, NULL, 'r'},    {"events", 1, NULL, 'e'},
        {"body-size", 1, NULL, 'b'},  {"batch", 1, NULL, 'B'},   {"type", 1, NULL, 't'},
        {"type-count", 1, NULL, 'n'}, {"channel", 1, NULL, 'C'}, {"external-id", 0, NULL, 'x'},
        {"stamp", 0, NULL, 'S'},      {NULL, 0, NULL, 0},
    };
    int which;
    while ((which = getopt_long(argc, argv, "", known, NULL)) != -1)
        take_option(which);
    if (optind != argc || !opt.host[0] || opt.lanes == 0 || opt.seconds == 0)
        usage();
}

static void make_lanes(void)
{
    lanes = calloc(opt.lanes, sizeof(*lanes));
    must(lanes ? 0 : -1);
    for (unsigned i = 0; i < opt.lanes; i++) {
        lanes[i].fd = -1;
        must(bytes_append(&lanes[i].out, plan.request.data, plan.request.len));
    }
}

static void find_target(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET};
    int rc = getaddrinfo(opt.host, opt.port, &hints, &target);
    if (rc != 0) {
        fprintf(stderr, "load: cannot resolve '%s': %s\n", opt.host, gai_strerror(rc));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    find_target();
    make_plan();
    make_lanes();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run();
    print_result();
    freeaddrinfo(target);
    return result.answered > 0 && result.unanswered == 0 ? 0 : 1;
}
