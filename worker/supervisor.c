/*
 * See supervisor.h. Owns the shared page and the children. Must never touch the database: what it would need there, the
 * children do. When it dies, its children get SIGTERM from the kernel (PR_SET_PDEATHSIG) and drain.
 */
#include "worker/supervisor.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker/maintainer.h"
#include "worker/nursery.h"
#include "worker/page.h"
#include "worker/sender.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
#define LIVED_MS 10000        /* a child that lived so long starts again without delay */
#define NURSERY_PAUSE_MS 1000 /* between two of the same sender */
#define KILL_AFTER_MS (LIMIT_DRAIN_MS + 3000)

struct child {
    pid_t pid; /* 0: not running */
    bool is_sender, done;
    int64_t started_ms, start_at_ms, pause_ms;
    pid_t nursery;  /* of a sender; 0: none */
    int nursery_fd; /* its socket, kept so that another can take its place; -1: none */
    int64_t nursery_at_ms;
};

struct supervisor {
    const struct config *config;
    struct page *page;
    struct child children[PAGE_SENDERS + 1]; /* senders, then the maintainer */
    int count;
    int64_t run_ms;
    int once;
    bool stopping;
    int64_t kill_at_ms;
};

static volatile sig_atomic_t stop_asked;

static void on_stop(int sig)
{
    (void)sig;
    stop_asked++;
}

static void on_child(int sig)
{
    (void)sig; /* only interrupts the wait */
}

/* --- nurseries ---------------------------------------------------------------------------------------------------- */

static void start_nursery(struct supervisor *s, struct child *c, int64_t now_ms)
{
    pid_t pid = nursery_start(c->nursery_fd, s->config->log_format);
    if (pid < 0)
        log_error("cannot fork: %s", strerror(errno));
    c->nursery = pid > 0 ? pid : 0;
    c->nursery_at_ms = now_ms + NURSERY_PAUSE_MS;
}

/* A new socket for a sender that is about to start; returns the sender's end, or -1. */
static int prepare_nursery(struct supervisor *s, struct child *c, int64_t now_ms)
{
    int pair[2];
    if (!c->is_sender || !s->config->sandboxes)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        log_error("cannot make a socket: %s", strerror(errno));
        return -1;
    }
    c->nursery_fd = pair[1];
    start_nursery(s, c, now_ms);
    return pair[0];
}

/* Its sender has gone: it ends by itself, and is not replaced. */
static void release_nursery(struct child *c)
{
    if (c->nursery_fd >= 0)
        close(c->nursery_fd);
    c->nursery_fd = -1;
}

/* One that died while its sender lives: another takes over the socket. */
static void replace_nurseries(struct supervisor *s, int64_t now_ms)
{
    for (int i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid && c->nursery_fd >= 0 && !c->nursery && now_ms >= c->nursery_at_ms)
            start_nursery(s, c, now_ms);
    }
}

static bool nursery_reaped(struct child *c, pid_t pid, int status)
{
    if (c->nursery != pid)
        return false;
    c->nursery = 0;
    if (c->nursery_fd >= 0)
        log_error("a nursery ended with status %d", status);
    return true;
}

/* --- children ----------------------------------------------------------------------------------------------------- */

static void child_main(struct supervisor *s, int index, int sender_fd, pid_t parent,
                       const sigset_t *mask)
{
    for (int i = 0; i < s->count; i++)
        release_nursery(&s->children[i]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the supervisor ends us in order */
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    int rc = s->children[index].is_sender ? sender_run(s->config, &s->page->senders[index], index,
                                                       sender_fd, s->run_ms, s->once)
                                          : maintainer_run(s->config, s->run_ms, s->once);
    _exit(rc);
}

static void start(struct supervisor *s, int index, int64_t now_ms)
{
    struct child *c = &s->children[index];
    sigset_t none;
    sigemptyset(&none);
    int sender_fd = prepare_nursery(s, c, now_ms);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child_main(s, index, sender_fd, parent, &none);
    if (sender_fd >= 0)
        close(sender_fd);
    if (pid < 0) {
        release_nursery(c);
        log_error("cannot fork: %s", strerror(errno));
        c->start_at_ms = now_ms + PAUSE_MAX_MS;
        return;
    }
    c->pid = pid;
    c->started_ms = now_ms;
}

static bool own_fault(int status)
{
    if (!WIFSIGNALED(status))
        return false;
    int sig = WTERMSIG(status);
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGABRT || sig == SIGILL || sig == SIGFPE ||
           sig == SIGTRAP;
}

static void reaped(struct supervisor *s, int index, int status, int64_t now_ms)
{
    struct child *c = &s->children[index];
    const char *what = c->is_sender ? "sender" : "maintainer";
    c->pid = 0;
    release_nursery(c);
    if (c->is_sender)
        page_sender_died(&s->page->senders[index], own_fault(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && (s->stopping || s->once || s->run_ms)) {
        c->done = true;
        return;
    }
    if (WIFSIGNALED(status))
        log_error("%s %d was ended by signal %d", what, index, WTERMSIG(status));
    else
        log_error("%s %d ended with status %d", what, index, WEXITSTATUS(status));
    c->pause_ms = now_ms - c->started_ms > LIVED_MS ? PAUSE_MIN_MS
                  : c->pause_ms * 2 > PAUSE_MAX_MS  ? PAUSE_MAX_MS
                                                    : c->pause_ms * 2;
    c->start_at_ms = now_ms + c->pause_ms;
    c->done = s->stopping;
}

static void reap(struct supervisor *s, int64_t now_ms)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < s->count; i++)
            if (s->children[i].pid == pid)
                reaped(s, i, status, now_ms);
            else if (nursery_reaped(&s->children[i], pid, status))
                break;
}

static void signal_all(const struct supervisor *s, int sig)
{
    for (int i = 0; i < s->count; i++) {
        if (s->children[i].pid)
            kill(s->children[i].pid, sig);
        if (s->children[i].nursery && sig == SIGKILL) /* else it ends behind its sender */
            kill(s->children[i].nursery, sig);
    }
}

static void obey(struct supervisor *s, int64_t now_ms, int *seen)
{
    if (stop_asked == *seen)
        return;
    *seen = stop_asked;
    s->stopping = true;
    if (!s->kill_at_ms)
        s->kill_at_ms = now_ms + KILL_AFTER_MS;
    signal_all(s, SIGTERM); /* a second one tells them to hurry */
}

static bool all_done(const struct supervisor *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->children[i].pid || s->children[i].nursery || !(s->children[i].done || s->stopping))
            return false;
    return true;
}

/* The maintainer ends when the senders have, in the modes that end by themselves. */
static void end_maintainer(struct supervisor *s)
{
    struct child *m = &s->children[s->count - 1];
    for (int i = 0; i < s->count - 1; i++)
        if (!s->children[i].done)
            return;
    if ((s->once || s->run_ms) && m->pid)
        kill(m->pid, SIGTERM);
}

static void watch(struct supervisor *s)
{
    sigset_t blocked, open;
    int seen = 0;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    while (!all_done(s)) {
        int64_t now_ms = clock_ms();
        for (int i = 0; i < s->count && !s->stopping; i++)
            if (!s->children[i].pid && !s->children[i].nursery && !s->children[i].done &&
                now_ms >= s->children[i].start_at_ms)
                start(s, i, now_ms);
        replace_nurseries(s, now_ms);
        if (s->kill_at_ms && now_ms >= s->kill_at_ms)
            signal_all(s, SIGKILL);
        sigset_t waiting;
        sigemptyset(&waiting);
        struct timespec tick = {.tv_nsec = PAUSE_MIN_MS * 1000000L};
        struct timespec second = {.tv_sec = 1};
        bool soon = false;
        for (int i = 0; i < s->count; i++)
            soon = soon || !s->children[i].pid ||
                   (s->children[i].nursery_fd >= 0 && !s->children[i].nursery);
        pselect(0, NULL, NULL, NULL, soon ? &tick : &second,
                &waiting); /* signals only get in here */
        now_ms = clock_ms();
        obey(s, now_ms, &seen);
        reap(s, now_ms);
        end_maintainer(s);
    }
}

/* Started as root with worker_user set: everything after this runs as that user. */
static int become_user(const char *name)
{
    if (!name[0] || geteuid() != 0)
        return 0;
    const struct passwd *pw = getpwnam(name);
    if (!pw) {
        log_error("worker_user '%s' does not exist", name);
        return -1;
    }
    if (initgroups(name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid)) {
        log_error("cannot become '%s': %s", name, strerror(errno));
        return -1;
    }
    return 0;
}

int supervisor_run(const struct config *config, int64_t run_ms, int once)
{
    struct supervisor s = {.config = config, .run_ms = run_ms, .once = once};
    struct sigaction act = {.sa_handler = on_stop}, child = {.sa_handler = on_child};
    if (become_user(config->worker_user))
        return 1;
    s.page = page_map();
    if (!s.page) {
        log_error("cannot map the shared page: %s", strerror(errno));
        return 1;
    }
    s.count = (int)config->senders + 1;
    for (int i = 0; i < s.count; i++)
        s.children[i] = (struct child){
            .is_sender = i < s.count - 1, .pause_ms = PAUSE_MIN_MS, .nursery_fd = -1};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGCHLD, &child, NULL);
    watch(&s);
    return 0;
}
