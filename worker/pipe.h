/*
 * A PostgreSQL connection that never blocks: one statement under way at a time, its answer given to a callback.
 *
 * It connects, sets up the session (settings, every worker statement prepared, LISTEN if asked) and reconnects by
 * itself with a growing, jittered pause. While it is not ready, pipe_idle() is false. When a connection is lost, the
 * callback of the statement under way gets NULL: whether it happened is unknown, and our statements may be repeated.
 *
 * The owner adds pipe_fd() to its epoll set whenever the pipe calls `watch`, and hands events back by pipe_ready().
 */
#ifndef DLO_WORKER_PIPE_H
#define DLO_WORKER_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "common/sql.h"

struct pipe;

/* `res` is NULL when the connection was lost; else a result that may be an error. The pipe clears it afterwards. */
typedef void pipe_answer(void *arg, PGresult *res);

struct pipe_owner {
    void *arg;
    /* The descriptor to watch changed, or what to watch it for. fd -1: nothing. */
    void (*watch)(void *arg, struct pipe *p, int fd, bool want_write);
    void (*notified)(void *arg); /* a notification came; may be NULL */
    void (*connected)(void *arg, struct pipe *p);
    void (*lost)(void *arg, struct pipe *p);
};

/* `dsn` and `listen` (a channel, or NULL) must outlive the pipe. Does not connect: pipe_tick does. */
struct pipe *pipe_new(const char *dsn, const char *application, const char *listen,
                      const struct pipe_owner *owner);
void pipe_free(struct pipe *p);

bool pipe_idle(const struct pipe *p); /* connected, set up, and nothing under way */
bool pipe_up(const struct pipe *p);   /* connected and set up */

/* Sends one statement. Only when idle. `binary`: result format. -1: it could not be sent, the callback
 * is not called; if that was the connection's fault, `lost` was, before this returned. */
int pipe_send(struct pipe *p, const struct sql_statement *s, int nparams, const char *const *values,
              const int *lengths, const int *formats, bool binary, pipe_answer *answer, void *arg);

/* The same for text without parameters, which may be several statements: the answer is the last one's. */
int pipe_command(struct pipe *p, const char *text, pipe_answer *answer, void *arg);
/* Counts connections: what a session holds is gone when this number has changed. */
unsigned pipe_connection(const struct pipe *p);

void pipe_ready(struct pipe *p, int64_t now_ms);
/* Connects when it is time to; returns the time at which it wants to be called again, or INT64_MAX. */
int64_t pipe_tick(struct pipe *p, int64_t now_ms);

#endif
