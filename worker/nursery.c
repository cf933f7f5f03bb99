/*
 * See nursery.h. Owns its sandboxes' processes. Must never read what a sandbox says, and must never wait for one. A crash
 * kills the sandboxes (PR_SET_PDEATHSIG); their requests fail as unavailable and are made again.
 */
#include "worker/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/sandbox.h"

#define NURSERY_FD 3 /* its socket, in the fresh image */

struct nursery {
    int fd, signal_fd;
    int refused; /* an errno: it could not become harmless, and forks nobody */
    pid_t children[NURSERY_SANDBOXES]; /* 0: free */
};

/* --- messages ----------------------------------------------------------------------------------------------------- */

static int send_message(int fd, const struct nursery_message *m, int passed, int flags)
{
    struct nursery_message copy = *m;
    struct iovec io = {&copy, sizeof copy};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1};
    if (passed >= 0) {
        msg.msg_control = control.room;
        msg.msg_controllen = sizeof control.room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &passed, sizeof passed);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL | flags);
    while (n < 0 && errno == EINTR);
    return n == sizeof copy ? 0 : -1;
}

int nursery_send(int fd, enum nursery_kind kind, pid_t pid)
{
    struct nursery_message m = {.kind = kind, .pid = pid};
    return send_message(fd, &m, -1, MSG_DONTWAIT);
}

int nursery_recv(int fd, struct nursery_message *m, int *passed)
{
    struct iovec io = {m, sizeof *m};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &io,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof control.room};
    *passed = -1;
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(passed, CMSG_DATA(c), sizeof *passed);
    return n == sizeof *m ? 1 : -1;
}

static void tell(const struct nursery *n, enum nursery_kind kind, pid_t pid, int status, int passed)
{
    struct nursery_message m = {kind, pid, status};
    send_message(n->fd, &m, passed, 0); /* a sender that has gone is seen by the next poll */
}

/* --- children ----------------------------------------------------------------------------------------------------- */

static pid_t *slot_of(struct nursery *n, pid_t pid)
{
    for (int i = 0; i < NURSERY_SANDBOXES; i++)
        if (n->children[i] == pid)
            return &n->children[i];
    return NULL;
}

static _Noreturn void child(const struct nursery *n, int fd, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    close(n->fd);
    close(n->signal_fd);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    sandbox_serve(fd);
}

static void fork_one(struct nursery *n)
{
    int pair[2];
    pid_t *slot = slot_of(n, 0), parent = getpid();
    if (n->refused || !slot || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        tell(n, NURSERY_FAILED, 0, n->refused ? n->refused : slot ? errno : ENOSPC, -1);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        child(n, pair[1], parent);
    if (pid < 0) {
        tell(n, NURSERY_FAILED, 0, errno, -1);
    } else {
        *slot = pid;
        tell(n, NURSERY_BORN, pid, 0, pair[0]);
    }
    close(pair[0]);
    close(pair[1]);
}

static void bury(struct nursery *n)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        pid_t *slot = slot_of(n, pid);
        if (slot)
            *slot = 0;
        tell(n, NURSERY_DIED, pid, status, -1);
    }
}

static _Noreturn void end(struct nursery *n)
{
    for (int i = 0; i < NURSERY_SANDBOXES; i++)
        if (n->children[i])
            kill(n->children[i], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    _exit(0);
}

static void obey(struct nursery *n)
{
    struct nursery_message m;
    int passed, rc;
    while ((rc = nursery_recv(n->fd, &m, &passed)) > 0) {
        if (passed >= 0)
            close(passed);
        if (m.kind == NURSERY_FORK)
            fork_one(n);
        else if (m.kind == NURSERY_KILL && m.pid > 0 && slot_of(n, m.pid))
            kill(m.pid, SIGKILL);
    }
    if (rc < 0)
        end(n);
}

/* --- what its sandboxes inherit ----------------------------------------------------------------------------------- */

/* An empty directory that nobody can reach any more, as the root. */
static int leave_files(const char *dir)
{
    return dir && chdir(dir) == 0 && rmdir(dir) == 0 && chroot(".") == 0 ? chdir("/") : -1;
}

static int become(const struct passwd *pw)
{
    if (!pw)
        return -1;
    return setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
                   setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)
               ? -1
               : 0;
}

/* Network and files are left behind where the kernel permits: the filter of each sandbox is the wall, this is the moat.
 * Root is not optional: who cannot stop being root forks nobody. */
static int withdraw(void)
{
    char dir[] = "/tmp/dlo-nursery-XXXXXX";
    bool root = geteuid() == 0;
    const struct passwd *pw = root ? getpwnam("nobody") : NULL;
    const char *made = mkdtemp(dir);
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | (root ? 0 : CLONE_NEWUSER)))
        log_debug("the network cannot be left: %s", strerror(errno));
    if (leave_files(made)) {
        log_debug("the file system cannot be left: %s", strerror(errno));
        if (made)
            rmdir(dir);
        if (chdir("/"))
            return -1;
    }
    if (root && become(pw)) {
        log_error("transforms are refused: a sandbox cannot become 'nobody': %s", strerror(errno));
        return -1;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -1 : 0;
}

static int signals(struct nursery *n)
{
    sigset_t set;
    signal(SIGTERM, SIG_IGN); /* meant for the sender, which needs us while it drains */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    n->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return n->signal_fd < 0 ? -1 : 0;
}

static _Noreturn void serve(struct nursery *n)
{
    struct pollfd fds[] = {{.fd = n->fd, .events = POLLIN}, {.fd = n->signal_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    tell(n, NURSERY_HELLO, 0, 0, -1);
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            end(n);
        if (read(n->signal_fd, &info, sizeof info) > 0)
            bury(n);
        if (fds[0].revents)
            obey(n);
    }
}

_Noreturn void nursery_main(const char *log_format)
{
    struct nursery n = {.fd = NURSERY_FD};
    log_init("dlo-worker", log_format, "info");
    prctl(PR_SET_NAME, "dlo-nursery");
    sandbox_clear_environment();
    if (signals(&n))
        _exit(1);
    shape_warm_up();
    sandbox_measure();
    if (withdraw())
        n.refused = errno ? errno : EPERM;
    prctl(
        PR_SET_PDEATHSIG,
        SIGKILL); /* not before: a change of user clears it. A parent that has gone closed its end */
    serve(&n);
}

/* --- the supervisor's side ---------------------------------------------------------------------------------------- */

pid_t nursery_start(int fd, const char *log_format)
{
    char option[64];
    snprintf(option, sizeof option, "--" NURSERY_OPTION "=%s", log_format);
    char *const argv[] = {(char[]){"dlo-worker"}, option, NULL}, *const env[] = {NULL};
    pid_t pid = fork();
    if (pid)
        return pid;
    if ((fd == NURSERY_FD ? fcntl(fd, F_SETFD, 0) : dup2(fd, NURSERY_FD)) < 0)
        _exit(1);
    close_range(NURSERY_FD + 1, ~0U, 0);
    execve("/proc/self/exe", argv, env);
    _exit(1);
}
