/*
 * A connection of the peer. What a mode may do to one is here: answer, answer later, drip, flood,
 * close, reset. A mode builds its bytes with the reply functions; the connection sends them.
 *
 * Life: conn_accept() makes it, every event and timer ends in one place that frees it once it is
 * dead. Nothing outside conn.c frees one, so a mode may call anything here in any order.
 */
#ifndef PEER_CONN_H
#define PEER_CONN_H

#include "tests/peer/bytes.h"
#include "tests/peer/request.h"
#include "tests/peer/timers.h"

#include <openssl/ssl.h>
#include <stdint.h>

/* What an epoll event points to: the first member of whatever waits. */
struct watch {
    void (*ready)(struct watch *w, uint32_t events);
};

struct conn {
    struct watch watch;
    struct timer timer;
    int fd;
    unsigned serial;   /* how many connections came before it */
    uint32_t interest; /* what epoll was told */
    SSL *ssl;          /* NULL: plain */
    struct bytes in;   /* the part of a request that has come so far */
    struct bytes out;
    size_t out_sent;
    uint64_t skip; /* bytes of a body that nobody wants */
    void (*on_timer)(struct conn *c);
    void (*feed)(struct conn *c); /* makes more output whenever all was sent */
    uint64_t feed_left;           /* for feed */
    unsigned served;              /* requests before the one that is being answered */
    bool busy;                    /* an answer is not complete: no further request is read */
    bool corked;                  /* out waits for the timer */
    bool closing;                 /* close when all was sent */
    bool reset;                   /* with RST */
    bool dead;
    bool continued; /* 100 Continue was sent for this request */
};

struct conn_totals {
    uint64_t accepted;
    uint64_t open;
    uint64_t requests;
    uint64_t bad_requests;
};

/* The loop's clock, milliseconds of CLOCK_MONOTONIC, set once per round by the loop. */
extern uint64_t conn_now_ms;
uint64_t conn_clock_ms(void); /* the same clock, read now */

int conn_init(int epoll_fd, unsigned max_connections);
/* Takes the descriptor in any case. `greet`, if not NULL, may write before anything was read. */
void conn_accept(int fd, SSL_CTX *tls, void (*greet)(struct conn *c));
void conn_timer_fired(struct timer *t);
struct conn_totals conn_totals(void);

/* Whom the client's certificate names; `to` stays as it is when there is none. */
void conn_client_name(const struct conn *c, char *to, size_t size);

/* Answers. `headers` are whole lines with their CR LF, or "". */
void conn_reply(struct conn *c, int status, const char *headers, struct span body);
void conn_reply_head(struct conn *c, int status, const char *headers);
void conn_raw(struct conn *c, struct span bytes);

/* What happens to it. */
void conn_hang(struct conn *c);                  /* says nothing more until the client leaves */
void conn_delay(struct conn *c, unsigned ms);    /* what was written so far goes out then */
void conn_close_after(struct conn *c);           /* once all is sent */
void conn_close_in(struct conn *c, unsigned ms); /* if nothing else was asked by then */
void conn_kill(struct conn *c, bool with_reset);
void conn_reset_in(struct conn *c, unsigned ms);
void conn_flood(struct conn *c, void (*feed)(struct conn *c), uint64_t left);
void conn_drip(struct conn *c, void (*feed)(struct conn *c)); /* feed is called every second */
void conn_feed_done(struct conn *c); /* called by a feed: the answer is complete */

#endif
