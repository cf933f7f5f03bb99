/*
 * See pipe.h. Owns one PGconn and the session's set-up. Must never wait for the server. A crash leaves a statement that
 * the server finishes or rolls back on its own.
 *
 * Set-up is a list of statements run in order before the pipe calls itself up: the settings pin the plans (tables are
 * empty when they are planned; a plan made for an empty queue scans a full one), then every statement is prepared.
 */
#include "worker/pipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker_sql.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 3000
#define SET_UP_MS 15000

/* field measurements: memoize doubles the payload fetch; the rest keeps generic plans on their indexes */
static const char settings[] =
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = "
    "off; "
    "SET enable_mergejoin = off; SET enable_bitmapscan = off; SET enable_memoize = off; SET jit = "
    "off; SET timezone = 'UTC'; "
    "SET statement_timeout = '60s'; SET lock_timeout = '5s'; SET client_min_messages = error";

enum pipe_state { PIPE_DOWN, PIPE_CONNECTING, PIPE_SETTING_UP, PIPE_IDLE, PIPE_BUSY };

struct pipe {
    const char *dsn, *application, *listen;
    struct pipe_owner owner;
    PGconn *conn;
    enum pipe_state state;
    int setup_step;
    int64_t retry_at_ms, retry_ms;
    pipe_answer *answer;
    void *answer_arg;
    PGresult *last; /* of the statement under way */
    unsigned connection;
};

struct pipe *pipe_new(const char *dsn, const char *application, const char *listen,
                      const struct pipe_owner *owner)
{
    struct pipe *p = calloc(1, sizeof *p);
    if (p) {
        p->dsn = dsn;
        p->application = application;
        p->listen = listen;
        p->owner = *owner;
        p->retry_ms = RETRY_MIN_MS;
    }
    return p;
}

void pipe_free(struct pipe *p)
{
    if (!p)
        return;
    PQclear(p->last);
    if (p->conn)
        PQfinish(p->conn);
    free(p);
}

bool pipe_idle(const struct pipe *p)
{
    return p->state == PIPE_IDLE;
}

bool pipe_up(const struct pipe *p)
{
    return p->state == PIPE_IDLE || p->state == PIPE_BUSY;
}

static void watch(struct pipe *p, bool want_write)
{
    p->owner.watch(p->owner.arg, p, p->conn ? PQsocket(p->conn) : -1, want_write);
}

static void lose(struct pipe *p, int64_t now_ms)
{
    bool was_up = pipe_up(p);
    log_warn("database connection '%s' lost: %s", p->application,
             p->conn ? PQerrorMessage(p->conn) : "no memory");
    p->owner.watch(p->owner.arg, p, -1, false);
    if (p->conn)
        PQfinish(p->conn);
    p->conn = NULL;
    p->state = PIPE_DOWN;
    p->retry_at_ms = now_ms + p->retry_ms / 2 + random() % p->retry_ms;
    p->retry_ms = p->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : p->retry_ms * 2;
    PQclear(p->last);
    p->last = NULL;
    pipe_answer *answer = p->answer;
    p->answer = NULL;
    if (answer)
        answer(p->answer_arg, NULL);
    if (was_up)
        p->owner.lost(p->owner.arg, p);
}

/* Bytes that the socket did not take yet are sent when it is writable. -1: lost. */
static int flush(struct pipe *p)
{
    int left = PQflush(p->conn);
    if (left < 0)
        return -1;
    watch(p, left == 1);
    return 0;
}

static void connect_now(struct pipe *p, int64_t now_ms)
{
    /* A server that died without a word is noticed within a quarter of a minute. */
    const char *keys[] = {"dbname",
                          "application_name",
                          "connect_timeout",
                          "keepalives_idle",
                          "keepalives_interval",
                          "keepalives_count",
                          "tcp_user_timeout",
                          NULL};
    const char *values[] = {p->dsn, p->application, "5", "10", "5", "3", "15000", NULL};
    p->conn = PQconnectStartParams(keys, values, 1);
    if (!p->conn || PQstatus(p->conn) == CONNECTION_BAD) {
        lose(p, now_ms);
        return;
    }
    p->connection++;
    p->state = PIPE_CONNECTING;
    p->retry_at_ms = now_ms + 5000; /* by then it must stand */
    watch(p, true);
}

/* The next step of the set-up: the settings, each statement, LISTEN, then idle. */
static int set_up_next(struct pipe *p)
{
    int step = p->setup_step++;
    int sent;
    if (step == 0) {
        sent = PQsendQuery(p->conn, settings);
    } else if (step <= WORKER_SQL_COUNT) {
        const struct sql_statement *s = &worker_sql[step - 1];
        sent = PQsendPrepare(p->conn, s->name, s->text, 0, NULL);
    } else if (step == WORKER_SQL_COUNT + 1 && p->listen) {
        char text[80];
        snprintf(text, sizeof text, "LISTEN %s", p->listen);
        sent = PQsendQuery(p->conn, text);
    } else {
        p->state = PIPE_IDLE;
        p->retry_ms = RETRY_MIN_MS;
        watch(p, false);
        p->owner.connected(p->owner.arg, p);
        return 0;
    }
    return sent == 1 ? flush(p) : -1;
}

static void go_on_connecting(struct pipe *p, int64_t now_ms)
{
    switch (PQconnectPoll(p->conn)) {
    case PGRES_POLLING_READING:
        watch(p, false);
        break;
    case PGRES_POLLING_WRITING:
        watch(p, true);
        break;
    case PGRES_POLLING_OK:
        PQsetnonblocking(p->conn, 1);
        p->state = PIPE_SETTING_UP;
        p->retry_at_ms = now_ms + SET_UP_MS;
        p->setup_step = 0;
        if (set_up_next(p))
            lose(p, now_ms);
        break;
    default:
        lose(p, now_ms);
    }
}

/* The statement under way has ended; `res` is its last result. */
static int ended(struct pipe *p, PGresult *res)
{
    if (p->state == PIPE_SETTING_UP) {
        ExecStatusType s = PQresultStatus(res);
        if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK) {
            log_error("database set-up failed at step %d: %s", p->setup_step - 1,
                      PQresultErrorMessage(res));
            return -1;
        }
        return set_up_next(p);
    }
    p->state = PIPE_IDLE;
    pipe_answer *answer = p->answer;
    p->answer = NULL;
    if (answer)
        answer(p->answer_arg, res);
    return 0;
}

static int read_results(struct pipe *p)
{
    while (!PQisBusy(p->conn)) {
        PGresult *res = PQgetResult(p->conn);
        if (res) {
            PQclear(p->last);
            p->last = res;
            continue;
        }
        if (!p->last)
            return 0; /* nothing was under way */
        PGresult *last = p->last;
        p->last = NULL;
        int rc = ended(p, last);
        PQclear(last);
        if (rc || p->state != PIPE_SETTING_UP)
            return rc;
    }
    return 0;
}

static void read_notifications(struct pipe *p)
{
    PGnotify *n;
    bool any = false;
    while ((n = PQnotifies(p->conn))) {
        any = true;
        PQfreemem(n);
    }
    if (any && p->owner.notified)
        p->owner.notified(p->owner.arg);
}

void pipe_ready(struct pipe *p, int64_t now_ms)
{
    if (p->state == PIPE_DOWN)
        return;
    if (p->state == PIPE_CONNECTING) {
        go_on_connecting(p, now_ms);
        return;
    }
    if (!PQconsumeInput(p->conn) || flush(p) || read_results(p) ||
        PQstatus(p->conn) == CONNECTION_BAD) {
        lose(p, now_ms);
        return;
    }
    read_notifications(p);
}

int64_t pipe_tick(struct pipe *p, int64_t now_ms)
{
    if ((p->state == PIPE_CONNECTING || p->state == PIPE_SETTING_UP) && now_ms >= p->retry_at_ms)
        lose(p, now_ms);
    if (pipe_up(p) && PQstatus(p->conn) == CONNECTION_BAD)
        lose(p, now_ms);
    if (p->state == PIPE_DOWN && now_ms >= p->retry_at_ms)
        connect_now(p, now_ms);
    return pipe_up(p) ? INT64_MAX : p->retry_at_ms;
}

/* `ok`: what libpq said when it was given a statement. */
static int sent(struct pipe *p, int ok, pipe_answer *answer, void *arg)
{
    if (!ok) {
        lose(p, clock_ms()); /* libpq has closed the socket: no event would ever tell */
        return -1;
    }
    p->state = PIPE_BUSY;
    p->answer = answer;
    p->answer_arg = arg;
    /* A failure to flush shows at the next pipe_ready: the answer is then given as lost. */
    watch(p, PQflush(p->conn) == 1);
    return 0;
}

int pipe_send(struct pipe *p, const struct sql_statement *s, int nparams, const char *const *values,
              const int *lengths, const int *formats, bool binary, pipe_answer *answer, void *arg)
{
    if (p->state != PIPE_IDLE)
        return -1;
    return sent(p, PQsendQueryPrepared(p->conn, s->name, nparams, values, lengths, formats, binary),
                answer, arg);
}

int pipe_command(struct pipe *p, const char *text, pipe_answer *answer, void *arg)
{
    if (p->state != PIPE_IDLE)
        return -1;
    return sent(p, PQsendQuery(p->conn, text), answer, arg);
}

unsigned pipe_connection(const struct pipe *p)
{
    return p->connection;
}
