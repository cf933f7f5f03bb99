/*
 * serve: one responder process, one request at a time.
 *
 * Signals are blocked while a request runs and let in only while the process waits, so that SIGTERM never breaks a
 * request (libfcgi does not retry EINTR) and is never missed (field-tested: an idle process with a plain handler would
 * stop at its next request).
 */
#ifndef DLO_FCGI_SERVE_H
#define DLO_FCGI_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"

struct serve {
    const struct config *config;
    int listen_fd;
    int wake_fd; /* -1: no supervisor */
    const uid_t *
        peers; /* users that may connect; NULL: the web server made the socket, nobody else has it */
    int npeers;
    long max_requests; /* 0: no recycling */
};

/* Blocks the signals and installs the handlers; before FCGX_Init, which would install its own. */
void serve_signals(void);

/* Serves until SIGTERM or max_requests. The exit status. */
int serve_run(const struct serve *s);

/* Waits until fd can be read, or a signal to stop comes (false). timeout_ms -1: for ever; true also when it is over. */
bool serve_wait(int fd, int timeout_ms);

#endif
