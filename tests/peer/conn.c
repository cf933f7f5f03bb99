/*
 * Owns the connections: their buffers, timers and what epoll is told about them. Must never block,
 * never free a connection but in settle(), and never keep more than the cap of them; what one may
 * buffer is bounded in bytes.h. A crash closes them all, which is one of the things tested against.
 */
#include "tests/peer/conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "tests/peer/modes.h"

#define SCRATCH_BYTES 65536
#define PIPELINE_BYTES ((size_t)1 << 20) /* of answers, before they must be sent first */
#define BUSY_BYTES ((size_t)64 << 10)    /* of requests, while an answer is pending */
#define FEED_ROUNDS 4                    /* a flood lets the others have their turn */

uint64_t conn_now_ms;

uint64_t conn_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int epoll_fd;
static unsigned max_open;
static struct conn_totals totals;

int conn_init(int epoll, unsigned max_connections)
{
    epoll_fd = epoll;
    max_open = max_connections;
    return timers_init(max_connections);
}

struct conn_totals conn_totals(void)
{
    return totals;
}

/* ---- the socket ---- */

/* As recv and send: -1 with EAGAIN to wait, 0 or another error when it is over. */
static ssize_t tls_result(struct conn *c, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(c->ssl, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    ERR_clear_error();
    return -1;
}

static ssize_t receive(struct conn *c, char *to, size_t size)
{
    if (c->ssl)
        return tls_result(c, SSL_read(c->ssl, to, (int)size));
    return recv(c->fd, to, size, 0);
}

static ssize_t transmit(struct conn *c, const char *from, size_t size)
{
    if (c->ssl)
        return tls_result(c, SSL_write(c->ssl, from, size > 65536 ? 65536 : (int)size));
    return send(c->fd, from, size, MSG_NOSIGNAL);
}

static void conn_free(struct conn *c)
{
    if (c->reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else if (c->ssl) {
        (void)SSL_shutdown(c->ssl);
    }
    timers_clear(&c->timer);
    SSL_free(c->ssl);
    close(c->fd);
    bytes_release(&c->in);
    bytes_release(&c->out);
    free(c);
    totals.open--;
}

/* ---- sending ---- */

static bool all_sent(const struct conn *c)
{
    return c->out_sent == c->out.len;
}

static void flush_once(struct conn *c)
{
    while (!c->dead && !all_sent(c)) {
        ssize_t n = transmit(c, c->out.data + c->out_sent, c->out.len - c->out_sent);
        if (n <= 0) {
            c->dead = errno != EAGAIN && errno != EINTR;
            return;
        }
        c->out_sent += (size_t)n;
    }
    c->out_sent = 0;
    bytes_clear(&c->out);
    if (c->closing && !c->busy)
        c->dead = true;
}

static void flush(struct conn *c)
{
    for (int round = 0; round < FEED_ROUNDS && !c->corked && !c->dead; round++) {
        flush_once(c);
        if (!all_sent(c) || !c->feed || c->timer.slot || c->dead)
            return;
        c->feed(c);
    }
}

/* ---- requests ---- */

static size_t refuse(struct conn *c, int status, size_t all)
{
    totals.bad_requests++;
    conn_reply(c, status, "Connection: close\r\n", span_of("the peer cannot read this request\n"));
    conn_close_after(c);
    return all;
}

static size_t serve(struct conn *c, const struct request *r)
{
    totals.requests++;
    c->continued = false;
    if (c->timer.slot && !c->busy)
        timers_clear(&c->timer); /* conn_close_in: something else was asked */
    modes_serve(c, r);
    c->served++;
    if (!r->keep_alive)
        conn_close_after(c);
    return r->total_len;
}

/* Only the head is there. What is left of the body may be unwanted, or wait for a go-ahead. */
static size_t serve_head(struct conn *c, const struct request *r, size_t have)
{
    if (!r->chunked && modes_wants_head_only(r)) {
        c->skip = r->total_len - have;
        (void)serve(c, r);
        return have;
    }
    if (r->expects_continue && !c->continued) {
        c->continued = true;
        conn_raw(c, span_of("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return 0;
}

/* Takes one request off the front. Returns how many bytes it was, 0 when more must come. */
static size_t take_one(struct conn *c, char *data, size_t len)
{
    struct request r;
    if (c->skip) {
        size_t n = c->skip < len ? (size_t)c->skip : len;
        c->skip -= n;
        return n;
    }
    switch (request_parse(data, len, &r)) {
    case REQUEST_MORE:
        return 0;
    case REQUEST_HEAD:
        return serve_head(c, &r, len);
    case REQUEST_COMPLETE:
        return serve(c, &r);
    case REQUEST_TOO_LARGE:
        return refuse(c, 413, len);
    case REQUEST_BAD:
        return refuse(c, 400, len);
    }
    return 0;
}

static size_t take_all(struct conn *c, char *data, size_t len)
{
    size_t used = 0;
    while (used < len && !c->busy && !c->closing && !c->dead && c->out.len < PIPELINE_BYTES) {
        size_t n = take_one(c, data + used, len - used);
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

static bool take_buffered(struct conn *c)
{
    size_t used = take_all(c, c->in.data, c->in.len);
    if (used)
        bytes_consume(&c->in, used);
    return used > 0;
}

/* Reads into a buffer all share; only what is left over costs the connection memory. */
static void read_some(struct conn *c)
{
    static char scratch[SCRATCH_BYTES];
    ssize_t n = receive(c, scratch, sizeof(scratch));
    if (n <= 0) {
        c->dead = n == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    size_t len = (size_t)n, used = 0;
    if (c->in.len == 0)
        used = take_all(c, scratch, len);
    if (used < len && !c->closing && bytes_append(&c->in, scratch + used, len - used) < 0)
        conn_kill(c, true);
    else if (used == 0)
        (void)take_buffered(c);
}

/* ---- one place where every event ends ---- */

static void tell_epoll(struct conn *c)
{
    bool full = (c->busy || c->closing) && c->in.len >= BUSY_BYTES;
    bool wants_out = !c->corked && (!all_sent(c) || (c->feed && !c->timer.slot));
    uint32_t interest = (full ? 0u : (uint32_t)EPOLLIN) | (wants_out ? (uint32_t)EPOLLOUT : 0u);
    if (interest == c->interest)
        return;
    struct epoll_event ev = {.events = interest, .data.ptr = &c->watch};
    c->interest = interest;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
        c->dead = true;
}

static void settle(struct conn *c)
{
    do
        flush(c);
    while (!c->dead && !c->busy && !c->closing && all_sent(c) && c->in.len && take_buffered(c));
    if (!c->dead)
        tell_epoll(c);
    if (c->dead)
        conn_free(c);
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct conn *c = (struct conn *)w;
    if (events & (EPOLLERR | EPOLLHUP))
        c->dead = true;
    else if (events & EPOLLIN)
        read_some(c);
    settle(c);
}

void conn_timer_fired(struct timer *t)
{
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));
    c->on_timer(c);
    settle(c);
}

static int start_tls(struct conn *c, SSL_CTX *tls)
{
    if (!tls)
        return 0;
    c->ssl = SSL_new(tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        return -1;
    SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
    SSL_set_accept_state(c->ssl);
    return 0;
}

void conn_client_name(const struct conn *c, char *to, size_t size)
{
    X509 *cert = c->ssl ? SSL_get1_peer_certificate(c->ssl) : NULL;
    if (cert)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, to, (int)size);
    X509_free(cert);
}

void conn_accept(int fd, SSL_CTX *tls, void (*greet)(struct conn *c))
{
    struct conn *c = totals.open < max_open ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &c->watch};
    c->watch.ready = on_ready;
    c->fd = fd;
    c->serial = (unsigned)totals.accepted++;
    c->interest = EPOLLIN;
    totals.open++;
    if (start_tls(c, tls) < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        conn_free(c);
        return;
    }
    if (greet) {
        greet(c);
        settle(c);
    }
}

/* ---- answers ---- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        {200, "OK"},
        {204, "No Content"},
        {302, "Found"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].reason;
    return "As Asked";
}

void conn_raw(struct conn *c, struct span bytes)
{
    if (bytes_append(&c->out, bytes.p, bytes.len) < 0)
        conn_kill(c, true);
}

void conn_reply_head(struct conn *c, int status, const char *headers)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "HTTP/1.1 %03d %s\r\n", status, reason_of(status));
    conn_raw(c, (struct span){line, (size_t)n});
    conn_raw(c, span_of(headers));
}

void conn_reply(struct conn *c, int status, const char *headers, struct span body)
{
    char length[64];
    conn_reply_head(c, status, headers);
    if (status == 204 || status == 304 || status < 200) {
        conn_raw(c, span_of("\r\n"));
        return;
    }
    (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n", body.len);
    conn_raw(c, span_of(length));
    conn_raw(c, body);
}

/* ---- what happens to it ---- */

static void at(struct conn *c, unsigned ms, void (*what)(struct conn *c))
{
    c->on_timer = what;
    /* Not the loop's clock, which may have stood for a while: no wait is shorter than was asked. */
    timers_set(&c->timer, conn_clock_ms() + ms);
}

void conn_hang(struct conn *c)
{
    c->busy = true;
}

static void uncork(struct conn *c)
{
    c->corked = false;
    c->busy = false;
}

void conn_delay(struct conn *c, unsigned ms)
{
    c->corked = true;
    c->busy = true;
    at(c, ms, uncork);
}

void conn_close_after(struct conn *c)
{
    c->closing = true;
}

static void close_now(struct conn *c)
{
    conn_kill(c, false);
}

void conn_close_in(struct conn *c, unsigned ms)
{
    at(c, ms, close_now);
}

void conn_kill(struct conn *c, bool with_reset)
{
    c->reset = with_reset;
    c->dead = true;
}

static void reset_now(struct conn *c)
{
    conn_kill(c, true);
}

void conn_reset_in(struct conn *c, unsigned ms)
{
    c->busy = true;
    at(c, ms, reset_now);
}

void conn_flood(struct conn *c, void (*feed)(struct conn *c), uint64_t left)
{
    c->busy = true;
    c->feed = feed;
    c->feed_left = left;
}

static void drop_fell(struct conn *c)
{
    void (*feed)(struct conn *) = c->feed;
    feed(c);
    if (c->feed)
        at(c, 1000, drop_fell);
}

void conn_drip(struct conn *c, void (*feed)(struct conn *c))
{
    conn_flood(c, feed, UINT64_MAX);
    at(c, 1000, drop_fell);
}

void conn_feed_done(struct conn *c)
{
    c->feed = NULL;
    c->busy = false;
}
