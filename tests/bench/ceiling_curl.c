/*
 * ceiling_curl: what libcurl alone reaches on this machine, the upper bound for the sender. A loop
 * of multi_socket and epoll with N easy handles kept for reuse, each posting 1 KiB with four
 * headers again and again; nothing else is done per request. One line of JSON.
 *
 *   ceiling_curl --url http://127.0.0.1:9000/ok [--hosts N] [--concurrency 100] [--requests 100000]
 *                [--body-size 1024] [--ca FILE]
 *
 * With --hosts the host of the URL is replaced by 127.1.x.y in turn (the receiver listens on
 * 0.0.0.0). https needs --ca, the file with who vouches for the receivers. Owns its handles. Must never run longer than LIMIT_S.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#define LIMIT_S 120

static struct options {
    char scheme[8];
    char port[16];
    char path[256];
    char host[128];
    unsigned hosts;
    unsigned concurrency;
    unsigned long requests;
    size_t body_size;
    const char *ca;
} opt = {.concurrency = 100, .requests = 100000, .body_size = 1024};

static struct {
    unsigned long started, done, failed;
    long connects;
} count;

static CURLM *multi;
static int epoll_fd;
static double timer_due = -1; /* seconds; -1: not set */
static char *body;
static struct curl_slist *headers;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The pointer kept with a socket only says that epoll knows it. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    struct epoll_event ev = {.data.fd = fd};
    (void)easy;
    (void)user;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &ev);
        return 0;
    }
    ev.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0u) |
                (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0u);
    (void)epoll_ctl(epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
    if (!known)
        (void)curl_multi_assign(multi, fd, &epoll_fd);
    return 0;
}

static int on_timer(CURLM *m, long ms, void *user)
{
    (void)m;
    (void)user;
    timer_due = ms < 0 ? -1 : now_s() + (double)ms / 1000;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    (void)data;
    (void)user;
    return size * n;
}

static void start(CURL *easy)
{
    if (count.started == opt.requests)
        return;
    if (opt.hosts) {
        char url[512];
        unsigned long host = count.started % opt.hosts;
        (void)snprintf(url, sizeof(url), "%s://127.1.%lu.%lu:%s%s", opt.scheme, host / 250,
                       host % 250 + 1, opt.port, opt.path);
        (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    }
    count.started++;
    (void)curl_multi_add_handle(multi, easy);
}

static CURL *make_easy(void)
{
    char url[512];
    CURL *easy = curl_easy_init();
    (void)snprintf(url, sizeof(url), "%s://%s:%s%s", opt.scheme, opt.host, opt.port, opt.path);
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH,
                           NULL); /* else the authorities are read each time */
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, opt.ca);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    /* Else each request walks the whole cache of names for old ones: a third of a ms with 5,000. */
    (void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)opt.body_size);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 15000L);
    return easy;
}

static void finish(CURLMsg *msg)
{
    CURL *easy = msg->easy_handle;
    CURLcode rc = msg->data.result;
    long status = 0, connects = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    count.done++;
    count.failed += rc != CURLE_OK || status < 200 || status > 299;
    count.connects += connects;
    (void)curl_multi_remove_handle(multi, easy);
    start(easy);
}

static void act(curl_socket_t fd, int what)
{
    int running, left;
    CURLMsg *msg;
    (void)curl_multi_socket_action(multi, fd, what, &running);
    while ((msg = curl_multi_info_read(multi, &left)))
        finish(msg);
}

static int wait_ms(void)
{
    if (timer_due < 0)
        return 1000;
    double left = (timer_due - now_s()) * 1000;
    return left <= 0 ? 0 : left > 1000 ? 1000 : (int)left + 1;
}

static void run(double end)
{
    struct epoll_event events[256];
    while (count.done < opt.requests && now_s() < end) {
        int n = epoll_wait(epoll_fd, events, 256, wait_ms());
        for (int i = 0; i < n; i++)
            act(events[i].data.fd,
                (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
        if (timer_due >= 0 && now_s() >= timer_due) {
            timer_due = -1;
            act(CURL_SOCKET_TIMEOUT, 0);
        }
    }
}

static double cpu_s(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void usage(void)
{
    fprintf(stderr,
            "usage: ceiling_curl --url http[s]://HOST:PORT/PATH [--hosts N] [--concurrency N]\n"
            "                    [--requests N] [--body-size N] [--ca FILE]\n");
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"url", 1, NULL, 'u'},      {"hosts", 1, NULL, 'n'},     {"concurrency", 1, NULL, 'c'},
        {"requests", 1, NULL, 'r'}, {"body-size", 1, NULL, 'b'}, {"ca", 1, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    int which;
    while ((which = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (which) {
        case 'u':
            if (sscanf(optarg, "%7[a-z]://%127[^:/]:%15[0-9]%255s", opt.scheme, opt.host, opt.port,
                       opt.path) != 4)
                usage();
            break;
        case 'n':
            opt.hosts = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            opt.concurrency = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            opt.requests = strtoul(optarg, NULL, 10);
            break;
        case 'b':
            opt.body_size = strtoul(optarg, NULL, 10);
            break;
        case 'a':
            opt.ca = optarg;
            break;
        default:
            usage();
        }
    }
    if (!opt.host[0] || opt.concurrency == 0 || opt.concurrency > 10000 || opt.hosts > 60000 ||
        opt.body_size > 1u << 24)
        usage();
}

static void prepare(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    multi = curl_multi_init();
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)(2 * (opt.concurrency + opt.hosts)));
    body = malloc(opt.body_size + 1);
    if (!body)
        exit(1);
    memset(body, 'x', opt.body_size);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "webhook-id: evt_01hzzzzzzzzzzzzzzzzzzzzzzz");
    headers = curl_slist_append(headers, "webhook-timestamp: 1764000000");
    headers = curl_slist_append(
        headers, "webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=");
    headers = curl_slist_append(headers, "Expect:");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    prepare();
    double begin = now_s();
    for (unsigned i = 0; i < opt.concurrency; i++)
        start(make_easy());
    run(begin + LIMIT_S);
    double seconds = now_s() - begin;
    printf(
        "{\"requests\":%lu,\"failed\":%lu,\"seconds\":%.3f,\"perSecond\":%.0f,\"concurrency\":%u,"
        "\"hosts\":%u,\"connects\":%ld,\"cpuUsPerRequest\":%.1f}\n",
        count.done, count.failed, seconds, (double)count.done / seconds, opt.concurrency, opt.hosts,
        count.connects, cpu_s() * 1e6 / (double)(count.done ? count.done : 1));
    return count.failed == 0 && count.done == opt.requests ? 0 : 1;
}
