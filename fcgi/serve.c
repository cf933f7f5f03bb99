/*
 * See serve.h. Owns the process's connection to the database, its keyring, its epoll. Must never close the listening
 * socket, which belongs to the supervisor. A crash loses one request; the supervisor makes a new process.
 */
#include "fcgi/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "common/log.h"
#include "fcgi/route.h"
#include "fcgi/waker.h"

static volatile sig_atomic_t stopping;
static sigset_t unblocked;

static void stop(int sig)
{
    (void)sig;
    stopping = 1;
}

void serve_signals(void)
{
    static const int stops[] = {SIGTERM, SIGUSR1};
    struct sigaction act = {.sa_handler = stop};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        sigaddset(&blocked, stops[i]);
        sigaction(stops[i], &act, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigprocmask(SIG_BLOCK, NULL, &unblocked);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        sigdelset(&unblocked, stops[i]);
}

/*
 * Asked before each wait, because a wait that has an event at hand returns without letting signals in: under load a
 * process would never stop. Not asked after it: the event may be a connection that nobody else was woken for.
 */
static bool asked_to_stop(void)
{
    sigset_t pending;
    if (sigpending(&pending) == 0 &&
        (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGUSR1)))
        stopping = 1;
    return stopping;
}

bool serve_wait(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec ts = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    if (!asked_to_stop())
        (void)ppoll(&p, 1, timeout_ms < 0 ? NULL : &ts, &unblocked);
    return !stopping;
}

/*
 * Plans are pinned: with 90 drawers a plan made for each call costs ten times the statement (measured: 474 events/s in,
 * against thousands), and tables are empty when they are first planned.
 */
static const char plans[] = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
                            "SET enable_memoize = off; SET enable_sort = off";

static int desk_open(struct desk *desk, const struct serve *s)
{
    char why[256];
    const struct config *config = s->config;
    *desk = (struct desk){.config = config, .wake_fd = s->wake_fd};
    if (seal_keyring_load(config->key_file, &desk->keyring, why, sizeof why) < 0 ||
        address_guard_parse_allow(config->allow_nets, &desk->allow, why, sizeof why) < 0) {
        log_error("cannot start: %s", why);
        return -1;
    }
    desk->db =
        db_new(config->dsn_api[0] ? config->dsn_api : config->dsn_owner, "dlo-responder", plans);
    return desk->db ? 0 : -1;
}

static void desk_close(struct desk *desk)
{
    db_free(desk->db);
    seal_keyring_free(desk->keyring);
}

/*
 * A connection that the server closed while we were idle says so only when read: first why, then the end, hence more
 * than one look. The next statement then reconnects instead of failing.
 */
static void notice_lost_connection(struct db *db)
{
    PGconn *conn = db_conn(db);
    struct pollfd p = {.fd = conn ? PQsocket(conn) : -1, .events = POLLIN};
    for (int i = 0; i < 8 && p.fd >= 0 && poll(&p, 1, 0) > 0; i++)
        if (PQconsumeInput(conn) == 0)
            return;
}

static bool peer_ok(const struct serve *s, int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (!s->peers)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        return false;
    for (int i = 0; i < s->npeers; i++)
        if (s->peers[i] == peer.uid)
            return true;
    log_warn("refused a connection of uid %ld: not the web server", (long)peer.uid);
    return false;
}

static void one_request(const struct serve *s, struct desk *desk, FCGX_Request *fcgi)
{
    if (peer_ok(s, fcgi->ipcFd)) {
        notice_lost_connection(desk->db);
        route_dispatch(desk, fcgi);
    }
    fcgi->keepConnection = 0; /* a kept connection would bind this process to one client */
    FCGX_Finish_r(fcgi);
}

/* Waits for a connection. False: stop. */
static bool wait_for_connection(int epoll_fd)
{
    struct epoll_event event;
    if (!asked_to_stop())
        (void)epoll_pwait(epoll_fd, &event, 1, waker_due_ms(), &unblocked);
    return !stopping;
}

static int loop(const struct serve *s, struct desk *desk, int epoll_fd)
{
    FCGX_Request fcgi;
    long served = 0;
    if (FCGX_InitRequest(&fcgi, s->listen_fd, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
        return 1;
    while ((s->max_requests == 0 || served < s->max_requests) && wait_for_connection(epoll_fd)) {
        waker_flush(desk->db);
        int rc = FCGX_Accept_r(&fcgi);
        if (rc == 0) {
            one_request(s, desk, &fcgi);
            served++;
            waker_flush(desk->db);
        } else if (rc != -EAGAIN && rc != -EINTR) {
            log_error("accept failed: %d", rc);
            usleep(100000);
        }
    }
    FCGX_Free(&fcgi, 1);
    return 0;
}

int serve_run(const struct serve *s)
{
    struct desk desk = {0};
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    /* bounded waits of libfcgi for a peer that neither sends nor closes */
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "500", 1);
    setenv("LIBFCGI_IS_AF_UNIX_KEEPER_POLL_TIMEOUT", "500", 1);
    if (FCGX_Init() != 0 || desk_open(&desk, s) < 0) {
        desk_close(&desk);
        return 2;
    }
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &event) == 0
                 ? loop(s, &desk, epoll_fd)
                 : 1;
    if (rc)
        log_error("cannot wait on the listening socket: %s", strerror(errno));
    if (epoll_fd >= 0)
        close(epoll_fd);
    desk_close(&desk);
    return rc;
}
