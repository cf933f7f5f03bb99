/* See door.h. One table; a door that says something is a greeting on a connection, which conn.c owns. */
#include "tests/peer/door.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/peer/conn.h"

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static void shut(int fd)
{
    close(fd);
}

static void say_nothing(struct conn *c)
{
    conn_hang(c);
}

static void say_mail(struct conn *c)
{
    conn_raw(c, span_of("220 mail.example.com ESMTP ready\r\n"));
    conn_hang(c);
}

static void say_http(struct conn *c)
{
    conn_raw(c, span_of("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    conn_hang(c);
}

/* A fatal alert: record of type 21, TLS 1.2, two bytes: fatal, handshake_failure (RFC 8446 section 6). */
static void say_alert(struct conn *c)
{
    conn_raw(c, (struct span){"\x15\x03\x03\0\x02\x02\x28", 7});
    conn_hang(c);
}

static void drip(struct conn *c)
{
    conn_raw(c, span_of("x"));
}

/* The head of a handshake record of 16 KiB, and a byte of it a second. */
static void say_slowly(struct conn *c)
{
    conn_raw(c, (struct span){"\x16\x03\x03\x40\0\x02\0\x3f\xfc", 9});
    conn_drip(c, drip);
}

static const struct door {
    const char *name;
    void (*take)(int fd);          /* it becomes no connection */
    void (*greet)(struct conn *c); /* or begins like this */
    int receive_bytes;             /* or has a receive buffer of this size, and else behaves */
    const char *about;
} doors[] = {
    {"reset", reset, NULL, 0, "resets what it accepts"},
    {"close", shut, NULL, 0, "closes what it accepts"},
    {"silent", NULL, say_nothing, 0, "accepts and says nothing"},
    {"mail", NULL, say_mail, 0, "greets as a mail server"},
    {"http", NULL, say_http, 0, "says 400 at once"},
    {"alert", NULL, say_alert, 0, "a fatal TLS alert at once"},
    {"slow-tls", NULL, say_slowly, 0, "a byte of a TLS handshake a second"},
    {"narrow", NULL, NULL, 4096, "the modes, with a receive buffer of 4 KiB"},
};

const struct door *door_find(const char *name)
{
    for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++)
        if (strcmp(name, doors[i].name) == 0)
            return &doors[i];
    return NULL;
}

void door_prepare(const struct door *d, int fd)
{
    if (d->receive_bytes)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &d->receive_bytes, sizeof(d->receive_bytes));
}

void door_enter(const struct door *d, int fd)
{
    if (d->take)
        d->take(fd);
    else
        conn_accept(fd, NULL, d->greet);
}

void door_print(FILE *to)
{
    for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++)
        fprintf(to, "  %-10s %s\n", doors[i].name, doors[i].about);
}
