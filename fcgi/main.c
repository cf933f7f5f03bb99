/*
 * dlo.fcgi: the responder's supervisor.
 *
 * Owns the two listening sockets, which stay open for ever, the shared page, and its children: intake x N, desk x M,
 * one waker. It has no connection to the database and serves nobody. A child that dies is replaced, at once if it had
 * lived, with a growing delay if it had not. SIGTERM lets every child finish its request; a second one does not wait.
 * SIGHUP reads the configuration again and, if nothing is wrong with it, replaces every child when it has finished its
 * request: the sockets stay, so that nobody is refused meanwhile.
 * Killed with -9, it takes the children along (PR_SET_PDEATHSIG) and leaves two socket files, which the next start
 * removes.
 *
 * Started by a web server with a listening socket on descriptor 0, it is a single responder and no supervisor.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/address_guard.h"
#include "common/config.h"
#include "common/log.h"
#include "common/seal.h"
#include "fcgi/page.h"
#include "fcgi/serve.h"
#include "fcgi/socket.h"
#include "fcgi/waker.h"

#define RECYCLE_REQUESTS 50000
#define RECYCLE_STAGGER 500 /* so that children do not all go at once */
#define LIVED_MS 10000      /* a child that lived this long was no failure */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 10000
#define STOP_MS 40000 /* a statement takes at most 30 s */
#define PEERS_MAX 3
#define INTAKE_MAX 64 /* as many as the configuration may ask for */
#define DESK_MAX 64
#define CHILDREN (INTAKE_MAX + DESK_MAX + 1)

enum role { ROLE_INTAKE, ROLE_DESK, ROLE_WAKER };
static const char *const role_names[] = {"intake", "desk", "waker"};

struct child {
    enum role role;
    int slot;
    pid_t pid; /* 0: none now */
    int64_t started_ms;
    int64_t start_at_ms; /* when pid is 0 */
    int64_t backoff_ms;
};

struct supervisor {
    struct config config;
    const char *config_path;
    int sockets[2]; /* by role */
    int wake_fd;
    uid_t peers[PEERS_MAX];
    int npeers;
    struct child children[CHILDREN]; /* room for the most there can be: counts may change */
    sigset_t signals;
    sigset_t original;
    int stops; /* SIGTERMs seen */
    int64_t kill_at_ms;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- children ------------------------------------------------------------------------------------------------------- */

static int run_child(const struct supervisor *s, const struct child *child)
{
    page_use(child->slot);
    if (child->role == ROLE_WAKER)
        return waker_run(&s->config, s->wake_fd);
    close(s->sockets[child->role == ROLE_INTAKE ? ROLE_DESK : ROLE_INTAKE]);
    return serve_run(
        &(struct serve){.config = &s->config,
                        .listen_fd = s->sockets[child->role],
                        .wake_fd = s->wake_fd,
                        .peers = s->npeers ? s->peers : NULL,
                        .npeers = s->npeers,
                        .max_requests = RECYCLE_REQUESTS + (long)child->slot * RECYCLE_STAGGER});
}

static void become_child(const struct supervisor *s, const struct child *child, pid_t parent)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_DUMPABLE, 0); /* it will hold the keyring */
    if (getppid() != parent)
        _exit(1); /* the supervisor died before the line above */
    sigaction(SIGINT, &ignore,
              NULL); /* Ctrl-C reaches the whole group; the supervisor turns it into SIGTERM */
    sigaction(SIGHUP, &ignore, NULL);
    serve_signals();
    sigset_t unblock = s->original;
    sigaddset(&unblock, SIGTERM);
    sigaddset(&unblock, SIGUSR1);
    sigprocmask(SIG_SETMASK, &unblock, NULL);
    _exit(run_child(s, child));
}

/* The first so many of its role are to run. */
static bool wanted(const struct supervisor *s, const struct child *child)
{
    switch (child->role) {
    case ROLE_INTAKE:
        return child->slot < s->config.intake;
    case ROLE_DESK:
        return child->slot - INTAKE_MAX < s->config.desk;
    default:
        return true;
    }
}

static void start_child(struct supervisor *s, struct child *child)
{
    pid_t parent = getpid();
    child->started_ms = now_ms();
    child->pid = fork();
    if (child->pid == 0)
        become_child(s, child, parent);
    if (child->pid < 0) {
        log_error("cannot fork a %s process: %s", role_names[child->role], strerror(errno));
        child->pid = 0;
        child->start_at_ms = now_ms() + BACKOFF_MAX_MS;
    }
}

/* It never gives up: a database that is away for a night must find a responder in the morning. */
static void child_ended(struct child *child, int status)
{
    int64_t now = now_ms();
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    child->pid = 0;
    if (clean || now - child->started_ms >= LIVED_MS)
        child->backoff_ms = 0;
    else
        child->backoff_ms = child->backoff_ms ? child->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (child->backoff_ms > BACKOFF_MAX_MS)
        child->backoff_ms = BACKOFF_MAX_MS;
    child->start_at_ms = now + child->backoff_ms;
    if (!clean)
        log_warn("a %s process ended: %s %d, next in %lld ms", role_names[child->role],
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                 (long long)child->backoff_ms);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < CHILDREN; i++)
            if (s->children[i].pid == pid)
                child_ended(&s->children[i], status);
}

static int alive(const struct supervisor *s)
{
    int n = 0;
    for (int i = 0; i < CHILDREN; i++)
        n += s->children[i].pid > 0;
    return n;
}

static void signal_all(const struct supervisor *s, int sig)
{
    for (int i = 0; i < CHILDREN; i++)
        if (s->children[i].pid > 0)
            kill(s->children[i].pid, sig);
}

/* --- settings ---------------------------------------------------------------------------------------------------- */

/* What children would stumble over one by one is said here once. */
static int settings_ok(const struct config *config)
{
    char why[256];
    struct address_allow allow;
    struct seal_keyring *ring;
    if (address_guard_parse_allow(config->allow_nets, &allow, why, sizeof why) < 0) {
        log_error("allow_nets: %s", why);
        return -1;
    }
    if (seal_keyring_load(config->key_file, &ring, why, sizeof why) < 0) {
        log_error("key_file: %s", why);
        return -1;
    }
    seal_keyring_free(ring);
    return 0;
}

static int user_of(const char *name, uid_t *uid, gid_t *gid)
{
    const struct passwd *pw = getpwnam(name);
    if (!pw) {
        log_error("there is no user '%s'", name);
        return -1;
    }
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    return 0;
}

static int know_peers(struct supervisor *s)
{
    uid_t uid;
    gid_t gid;
    if (!s->config.web_server_user[0]) {
        s->npeers = 0; /* the socket's mode decides alone */
        return 0;
    }
    if (user_of(s->config.web_server_user, &uid, &gid) < 0)
        return -1;
    s->peers[0] = 0;
    s->peers[1] = getuid();
    s->peers[2] = uid;
    s->npeers = PEERS_MAX;
    return 0;
}

/* Whatever is wrong keeps the old settings; children take over the new ones by being replaced. */
static void reload(struct supervisor *s)
{
    static const char *const fixed[] = {"intake_socket", "desk_socket", "socket_group",
                                        "worker_user", NULL};
    if (config_reload(s->config_path, &s->config, settings_ok, fixed) < 0)
        return;
    log_init("dlo.fcgi", s->config.log_format, s->config.log_level);
    if (know_peers(s) < 0)
        log_error("web_server_user: those who might connect stay as they were");
    log_info("configuration '%s' was read again: %ld and %ld processes", s->config_path,
             s->config.intake, s->config.desk);
    signal_all(s, SIGTERM);
}

/* --- the loop ------------------------------------------------------------------------------------------------------- */

/* Starts what is due; the milliseconds until something else is. */
static int64_t start_due(struct supervisor *s)
{
    int64_t now = now_ms(), wait = 60000;
    for (int i = 0; i < CHILDREN; i++) {
        struct child *child = &s->children[i];
        if (child->pid || !wanted(s, child))
            continue;
        if (child->start_at_ms <= now)
            start_child(s, child);
        if (child->pid == 0 && child->start_at_ms - now < wait)
            wait = child->start_at_ms - now;
    }
    return wait > 0 ? wait : 1;
}

static void take_signal(struct supervisor *s, int sig)
{
    if (sig == SIGHUP && !s->stops)
        reload(s);
    if (sig != SIGTERM && sig != SIGINT)
        return;
    s->stops++;
    s->kill_at_ms = now_ms() + STOP_MS;
    signal_all(s, s->stops == 1 ? SIGTERM : SIGKILL);
    log_info(s->stops == 1 ? "stopping when the requests under way are answered"
                           : "stopping at once");
}

static void supervise(struct supervisor *s)
{
    while (s->stops == 0 || alive(s)) {
        int64_t wait = s->stops ? s->kill_at_ms - now_ms() : start_due(s);
        if (s->stops && wait <= 0) {
            signal_all(s, SIGKILL);
            wait = 1000;
        }
        struct timespec ts = {wait / 1000, wait % 1000 * 1000000};
        take_signal(s, sigtimedwait(&s->signals, NULL, &ts));
        reap(s);
    }
}

static int make_children(struct supervisor *s)
{
    for (int i = 0; i < CHILDREN; i++)
        s->children[i] = (struct child){.role = i < INTAKE_MAX              ? ROLE_INTAKE
                                                : i < INTAKE_MAX + DESK_MAX ? ROLE_DESK
                                                                            : ROLE_WAKER,
                                        .slot = i};
    return page_init(CHILDREN);
}

/* --- starting ------------------------------------------------------------------------------------------------------- */

static int drop_root(const struct config *config)
{
    uid_t uid;
    gid_t gid;
    if (geteuid() != 0 || !config->worker_user[0])
        return 0;
    if (user_of(config->worker_user, &uid, &gid) < 0)
        return -1;
    if (initgroups(config->worker_user, gid) < 0 || setgid(gid) < 0 || setuid(uid) < 0) {
        log_error("cannot become '%s': %s", config->worker_user, strerror(errno));
        return -1;
    }
    return 0;
}

static int open_sockets(struct supervisor *s)
{
    char why[256];
    const char *const paths[] = {s->config.intake_socket, s->config.desk_socket};
    for (int i = 0; i < 2; i++) {
        s->sockets[i] = socket_listen(paths[i], s->config.socket_group, why, sizeof why);
        if (s->sockets[i] < 0) {
            log_error("%s", why);
            return -1;
        }
    }
    return 0;
}

static void block_signals(struct supervisor *s)
{
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigemptyset(&s->signals);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&s->signals, wanted[i]);
    sigprocmask(SIG_BLOCK, &s->signals, &s->original);
}

static int run_supervisor(struct supervisor *s)
{
    if (!s->config.intake_socket[0] || !s->config.desk_socket[0]) {
        log_error("intake_socket and desk_socket must be set");
        return 2;
    }
    block_signals(s);
    if (open_sockets(s) < 0 || drop_root(&s->config) < 0 || know_peers(s) < 0 ||
        settings_ok(&s->config) < 0)
        return 2;
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wake_fd < 0 || make_children(s) < 0) {
        log_error("cannot start: %s", strerror(errno));
        return 1;
    }
    log_info("serving '%s' with %ld and '%s' with %ld processes", s->config.intake_socket,
             s->config.intake, s->config.desk_socket, s->config.desk);
    supervise(s);
    for (int i = 0; i < 2; i++)
        unlink(i ? s->config.desk_socket : s->config.intake_socket);
    log_info("stopped");
    return 0;
}

/* One process behind a web server that made the socket (mod_fcgid, lighttpd bin-path). */
static int run_alone(const struct config *config)
{
    serve_signals();
    if (settings_ok(config) < 0)
        return 2;
    if (page_init(1) < 0)
        return 1;
    page_use(0);
    return serve_run(
        &(struct serve){.config = config, .listen_fd = 0, .wake_fd = -1, .max_requests = 0});
}

/* FastCGI's sign: descriptor 0 is a socket without a peer. */
static bool started_by_web_server(void)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;
    return getpeername(0, (struct sockaddr *)&peer, &n) < 0 && errno == ENOTCONN;
}

static void usage(FILE *to)
{
    fputs("usage: dlo.fcgi [--config FILE] [--version] [--help]\n"
          "Without --config the file is $DLO_CONFIG, else /etc/dlo/dlo.conf.\n",
          to);
}

static const char *config_path(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = getenv("DLO_CONFIG");
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c') {
            path = optarg;
        } else if (option == 'V') {
            puts("dlo.fcgi " DLO_VERSION);
            exit(0);
        } else {
            usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    return path ? path : "/etc/dlo/dlo.conf";
}

int main(int argc, char **argv)
{
    static struct supervisor s;
    struct rlimit no_core = {0, 0};
    s.config_path = config_path(argc, argv);
    if (config_load(s.config_path, &s.config) < 0)
        return 2;
    log_init("dlo.fcgi", s.config.log_format, s.config.log_level);
    setrlimit(RLIMIT_CORE, &no_core); /* a core would hold the keyring */
    int status = started_by_web_server() ? run_alone(&s.config) : run_supervisor(&s);
    config_release(&s.config);
    return status;
}
