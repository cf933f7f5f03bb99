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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker/maintainer.h"
#include "worker/nursery_place.h"
#include "worker/operator.h"
#include "worker/page.h"
#include "worker/sender.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
#define LIVED_MS 10000 /* a child that lived so long starts again without delay */
#define KILL_AFTER_MS (LIMIT_DRAIN_MS + 1000)
#define HURRY_MS 500            /* after the second SIGTERM */
#define MAINTAINER PAGE_SENDERS /* its place among the children, behind the senders */

struct child {
    pid_t pid; /* 0: not running */
    bool done;
    bool leaving; /* told to end although the worker goes on */
    int64_t started_ms, start_at_ms, pause_ms;
    struct nursery_place nursery; /* of a sender */
};

struct supervisor {
    struct config *config;
    const char *path;
    struct page *page;
    struct child children[PAGE_SENDERS + 1];
    int64_t run_ms;
    int once;
    bool stopping;
    int64_t kill_at_ms;
};

static volatile sig_atomic_t stop_asked, reload_asked;

static void on_stop(int sig)
{
    (void)sig;
    stop_asked++;
}

static void on_reload(int sig)
{
    (void)sig;
    reload_asked = 1;
}

static void on_child(int sig)
{
    (void)sig; /* only interrupts the wait */
}

static bool is_sender(int index)
{
    return index != MAINTAINER;
}

/* Is it to run? */
static bool wanted(const struct supervisor *s, int index)
{
    return (!is_sender(index) || index < s->config->senders) && !s->children[index].done;
}

static void child_main(struct supervisor *s, int index, int nursery_fd, pid_t parent)
{
    sigset_t kept; /* blocked until the sender reads them: none is lost, and none ends it before */
    sigemptyset(&kept);
    sigaddset(&kept, SIGHUP);
    sigaddset(&kept, SIGUSR1);
    for (int i = 0; i <= MAINTAINER; i++)
        nursery_place_close(&s->children[i].nursery);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the supervisor ends us in order */
    signal(SIGCHLD, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &kept, NULL);
    int rc = is_sender(index) ? sender_run(s->config, s->path, &s->page->senders[index], index,
                                           nursery_fd, s->run_ms, s->once)
                              : maintainer_run(s->config, s->run_ms, s->once);
    _exit(rc);
}

static void start(struct supervisor *s, int index, int64_t now_ms)
{
    struct child *c = &s->children[index];
    int nursery_fd = is_sender(index) && s->config->sandboxes
                         ? nursery_place_open(&c->nursery, s->config->log_format, now_ms)
                         : -1;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child_main(s, index, nursery_fd, parent);
    if (nursery_fd >= 0)
        close(nursery_fd);
    if (pid < 0) {
        nursery_place_close(&c->nursery);
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
    const char *what = is_sender(index) ? "sender" : "maintainer";
    bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0, told = c->leaving;
    c->pid = 0;
    c->leaving = false;
    nursery_place_close(&c->nursery);
    if (is_sender(index))
        page_sender_died(&s->page->senders[index], own_fault(status));
    if (in_order && (s->stopping || ((s->once || s->run_ms) && !told))) {
        c->done = true;
        return;
    }
    if (in_order && told) {
        c->start_at_ms = now_ms; /* if it is wanted: the maintainer, or a sender that is again */
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
        for (int i = 0; i <= MAINTAINER; i++)
            if (s->children[i].pid == pid)
                reaped(s, i, status, now_ms);
            else if (nursery_place_reaped(&s->children[i].nursery, pid, status))
                break;
}

static void signal_all(const struct supervisor *s, int sig)
{
    for (int i = 0; i <= MAINTAINER; i++) {
        if (s->children[i].pid)
            kill(s->children[i].pid, sig);
        if (s->children[i].nursery.pid && sig == SIGKILL) /* else it ends behind its sender */
            kill(s->children[i].nursery.pid, sig);
    }
}

/* Senders that stay read the file for themselves; those that are too many drain, for as long as their receivers may take;
 * the maintainer, which has nothing under way that cannot be done again, is started anew. */
static void tell_reload(struct supervisor *s, int index)
{
    struct child *c = &s->children[index];
    if (!c->pid)
        return;
    c->leaving = c->leaving || !is_sender(index) || !wanted(s, index);
    kill(c->pid, !c->leaving ? SIGHUP : is_sender(index) ? SIGUSR1 : SIGTERM);
}

static void reload(struct supervisor *s)
{
    reload_asked = 0;
    if (s->stopping || operator_reload(s->path, s->config))
        return;
    log_init("dlo-worker", s->config->log_format, s->config->log_level);
    log_info("configuration '%s' was read again: %ld senders", s->path, s->config->senders);
    for (int i = 0; i <= MAINTAINER; i++)
        tell_reload(s, i);
}

static void obey(struct supervisor *s, int64_t now_ms, int *seen)
{
    if (reload_asked)
        reload(s);
    if (stop_asked == *seen)
        return;
    s->stopping = true;
    *seen = stop_asked;
    s->kill_at_ms = now_ms + (*seen > 1 ? HURRY_MS : KILL_AFTER_MS);
    signal_all(s, SIGTERM); /* a second one tells them to hurry */
}

static bool all_done(const struct supervisor *s)
{
    for (int i = 0; i <= MAINTAINER; i++)
        if (s->children[i].pid || s->children[i].nursery.pid || (wanted(s, i) && !s->stopping))
            return false;
    return true;
}

/* The maintainer ends when the senders have, in the modes that end by themselves. */
static void end_maintainer(struct supervisor *s)
{
    struct child *m = &s->children[MAINTAINER];
    for (int i = 0; i < MAINTAINER; i++)
        if (s->children[i].pid || wanted(s, i))
            return;
    if ((s->once || s->run_ms) && m->pid)
        kill(m->pid, SIGTERM);
}

/* Starts what is due. True: something is to be started soon. */
static bool start_due(struct supervisor *s, int64_t now_ms)
{
    bool soon = false;
    for (int i = 0; i <= MAINTAINER && !s->stopping; i++) {
        struct child *c = &s->children[i];
        if (!c->pid && !c->nursery.pid && wanted(s, i) && now_ms >= c->start_at_ms)
            start(s, i, now_ms);
        nursery_place_tend(&c->nursery, s->config->log_format, now_ms);
        soon = soon || (!c->pid && wanted(s, i)) || nursery_place_vacant(&c->nursery);
    }
    return soon;
}

static void watch(struct supervisor *s)
{
    static const int wake[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigset_t blocked, waiting;
    int seen = 0;
    sigemptyset(&waiting);
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof wake / sizeof *wake; i++)
        sigaddset(&blocked, wake[i]);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    while (!all_done(s)) {
        int64_t now_ms = clock_ms();
        bool soon = start_due(s, now_ms) || s->kill_at_ms;
        if (s->kill_at_ms && now_ms >= s->kill_at_ms)
            signal_all(s, SIGKILL);
        struct timespec tick = {.tv_nsec = PAUSE_MIN_MS * 1000000L}, second = {.tv_sec = 1};
        /* signals only get in here */
        pselect(0, NULL, NULL, NULL, soon ? &tick : &second, &waiting);
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

static void handle_signals(void)
{
    static const struct {
        int sig;
        void (*handler)(int sig);
    } handlers[] = {
        {SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_reload}, {SIGCHLD, on_child}};
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        struct sigaction act = {.sa_handler = handlers[i].handler};
        sigaction(handlers[i].sig, &act, NULL);
    }
}

int supervisor_run(struct config *config, const char *path, int64_t run_ms, int once)
{
    struct supervisor s = {.config = config, .path = path, .run_ms = run_ms, .once = once};
    if (become_user(config->worker_user))
        return 1;
    s.page = page_map();
    if (!s.page) {
        log_error("cannot map the shared page: %s", strerror(errno));
        return 1;
    }
    for (int i = 0; i <= MAINTAINER; i++)
        s.children[i] = (struct child){.pause_ms = PAUSE_MIN_MS, .nursery.fd = -1};
    handle_signals();
    watch(&s);
    return 0;
}
