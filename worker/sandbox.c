/*
 * See sandbox.h. Owns its process. Must never open anything, and must never run a program before the wall is up. A crash
 * is the request's failure and nobody else's: the nursery reports how the process died.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <seccomp.h>

#define NICER 5
#define NICEST 19
#define RESERVE_BYTES (1 << 20)

/*
 * TZ alone: without it each localtime() looks at /etc/localtime, and a program's result would depend on the host. There
 * must be an environment: libjq reads through the pointer.
 */
void sandbox_clear_environment(void)
{
    static char zone[] = "TZ=UTC0";
    static char *const only[] = {zone, NULL};
    environ = (char **)only;
}

/* --- who takes long stands back ------------------------------------------------------------------------------------ */

static void stand_back(int sig)
{
    int before = errno;
    (void)sig;
    (void)!setpriority(PRIO_PROCESS, 0, NICEST);
    errno = before;
}

static int watch_time(void)
{
    struct sigaction act = {.sa_handler = stand_back, .sa_flags = SA_RESTART};
    return sigaction(SIGPROF, &act, NULL);
}

/* Of the request that begins. There is no way back: the sender replaces a sandbox whose request took so long. */
static void count_time(void)
{
    const struct itimerval it = {.it_value.tv_usec = SANDBOX_CALM_MS * 1000};
    (void)setitimer(ITIMER_PROF, &it, NULL);
}

/* --- the wall ----------------------------------------------------------------------------------------------------- */

static size_t memory_bytes; /* virtual memory of the process before it became a sandbox */

void sandbox_measure(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    if (n > 0)
        memory_bytes = strtoul(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static int limit(int which, rlim_t value)
{
    struct rlimit r = {value, value};
    return setrlimit(which, &r);
}

static int limit_resources(void)
{
    if (!memory_bytes || limit(RLIMIT_AS, memory_bytes + SANDBOX_MEMORY_BYTES))
        return -1;
    if (limit(RLIMIT_CPU, SANDBOX_CPU_S) || limit(RLIMIT_FSIZE, 0) || limit(RLIMIT_CORE, 0) ||
        limit(RLIMIT_NPROC, 0) || limit(RLIMIT_MEMLOCK, 0))
        return -1;
    (void)!nice(NICER); /* a service manager may forbid it */
    return limit(RLIMIT_NOFILE, 0);
}

/* All descriptors but one are closed: nothing that libjq or libc may print has anywhere to go. */
static int close_others(int fd)
{
    int rc = fd > 0 ? close_range(0, (unsigned)fd - 1, 0) : 0;
    return rc ? rc : close_range((unsigned)fd + 1, ~0U, 0);
}

/* What needs no look at its arguments. */
static const int plain_calls[] = {
    SCMP_SYS(brk),           SCMP_SYS(munmap),          SCMP_SYS(mremap),
    SCMP_SYS(madvise),       SCMP_SYS(futex),           SCMP_SYS(exit),
    SCMP_SYS(exit_group),    SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),    SCMP_SYS(time),
    SCMP_SYS(getrandom),     SCMP_SYS(getpid),          SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),   SCMP_SYS(restart_syscall),
};

/* 2 is closed and stays so: a message of libc on it fails, and the abort() behind it is seen as what it is. */
static int allow_streams(scmp_filter_ctx f, int fd)
{
    const struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd);
    const struct scmp_arg_cmp err = SCMP_A0(SCMP_CMP_EQ, 2);
    int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, own);
    rc = rc ? rc : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, own);
    rc = rc ? rc : seccomp_rule_add(f, SCMP_ACT_ERRNO(EBADF), SCMP_SYS(write), 1, err);
    return rc ? rc : seccomp_rule_add(f, SCMP_ACT_ERRNO(EBADF), SCMP_SYS(writev), 1, err);
}

/* To stand back: of this process, and never forward. */
static int allow_time(scmp_filter_ctx f)
{
    const struct scmp_arg_cmp profiling = SCMP_A0(SCMP_CMP_EQ, ITIMER_PROF);
    const struct scmp_arg_cmp process = SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS);
    const struct scmp_arg_cmp own = SCMP_A1(SCMP_CMP_EQ, 0);
    const struct scmp_arg_cmp nicest = SCMP_A2(SCMP_CMP_EQ, NICEST);
    int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setitimer), 1, profiling);
    return rc ? rc
              : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 3, process, own, nicest);
}

/* Memory of its own, never executable; and abort(). */
static int allow_memory(scmp_filter_ctx f)
{
    const struct scmp_arg_cmp own = SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
    const struct scmp_arg_cmp data = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
    const struct scmp_arg_cmp aborts = SCMP_A2(SCMP_CMP_EQ, SIGABRT);
    int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, data, own);
    rc = rc ? rc : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, data);
    return rc ? rc : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2, self, aborts);
}

/* 0, or a negative errno. Everything that is not named ends the process with SIGSYS. */
static int wall(int fd)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f)
        return -ENOSYS;
    int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; !rc && i < sizeof plain_calls / sizeof *plain_calls; i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, plain_calls[i], 0);
    rc = rc ? rc : allow_streams(f, fd);
    rc = rc ? rc : allow_memory(f);
    rc = rc ? rc : allow_time(f);
    rc = rc ? rc : seccomp_load(f);
    seccomp_release(f);
    return rc;
}

int sandbox_enter(int fd, char *why)
{
    sandbox_clear_environment();
    if (close_others(fd) || limit_resources() || watch_time() ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        snprintf(why, SHAPE_TEXT_MAX, "a limit cannot be set: %s", strerror(errno));
        return -1;
    }
    int rc = wall(fd);
    if (rc)
        snprintf(why, SHAPE_TEXT_MAX, "seccomp cannot be set up: %s", strerror(-rc));
    return rc ? -1 : 0;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

struct sandbox {
    int fd;
    struct jq_programs *programs;
    struct shape_answer answer;
    char *transform, *schema, *payload;
    void *reserve; /* given back when there is no memory: to say so, the stack may have to grow */
};

static struct sandbox self; /* the process is one; libjq's call for memory brings no argument */

static void read_all(const struct sandbox *s, void *to, size_t n)
{
    for (char *p = to; n;) {
        ssize_t got = read(s->fd, p, n);
        if (got <= 0)
            _exit(0); /* the sender has gone, or wants nothing more */
        p += got;
        n -= (size_t)got;
    }
}

static void write_all(int fd, const void *from, size_t n)
{
    for (const char *p = from; n;) {
        ssize_t put = write(fd, p, n);
        if (put <= 0)
            _exit(0);
        p += put;
        n -= (size_t)put;
    }
}

static void answer_with(int fd, enum shape_code code, const char *why, const struct buf *bytes)
{
    struct sandbox_answer head = {(uint32_t)code, (uint32_t)strlen(why),
                                  bytes ? (uint32_t)bytes->len : SANDBOX_ABSENT};
    write_all(fd, &head, sizeof head);
    write_all(fd, why, head.text_len);
    if (bytes)
        write_all(fd, bytes->data, bytes->len);
}

/* Called by libjq in the middle of anything. */
static void no_memory(void *unused)
{
    (void)unused;
    munmap(self.reserve, RESERVE_BYTES);
    answer_with(self.fd, SHAPE_CODE_MEMORY, "the program needs more memory than a sandbox has",
                NULL);
    _exit(1);
}

/* NULL: there is none. */
static const char *read_text(const struct sandbox *s, uint32_t n, size_t max, char *to)
{
    if (n == SANDBOX_ABSENT)
        return NULL;
    if (n > max)
        _exit(1);
    read_all(s, to, n);
    to[n] = '\0';
    return to;
}

static void serve_one(struct sandbox *s)
{
    struct sandbox_request head;
    read_all(s, &head, sizeof head);
    struct shape_request request = {.schema_len = head.schema_len, .payload_len = head.payload_len};
    request.transform = read_text(s, head.transform_len, LIMIT_TRANSFORM_BYTES, s->transform);
    request.schema = read_text(s, head.schema_len, LIMIT_SCHEMA_BYTES, s->schema);
    request.payload = read_text(s, head.payload_len, LIMIT_PAYLOAD_BYTES, s->payload);
    if (!request.payload)
        _exit(1);
    count_time();
    shape_run(s->programs, &request, &s->answer);
    bool made = request.transform && s->answer.bytes.len;
    answer_with(s->fd, s->answer.code, s->answer.why, made ? &s->answer.bytes : NULL);
}

_Noreturn void sandbox_serve(int fd)
{
    struct sandbox *s = &self;
    s->fd = fd;
    buf_init(&s->answer.bytes, LIMIT_PAYLOAD_BYTES);
    s->programs = jq_program_cache_new(no_memory);
    s->transform = malloc(LIMIT_TRANSFORM_BYTES + 1);
    s->schema = malloc(LIMIT_SCHEMA_BYTES + 1);
    s->payload = malloc(LIMIT_PAYLOAD_BYTES + 1);
    s->reserve = mmap(NULL, RESERVE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool made = s->programs && s->transform && s->schema && s->payload && s->reserve != MAP_FAILED;
    char why[SHAPE_TEXT_MAX] = "out of memory";
    if (!made || sandbox_enter(fd, why)) {
        answer_with(fd, SHAPE_CODE_UNAVAILABLE, why, NULL);
        _exit(1);
    }
    answer_with(fd, SHAPE_CODE_OK, "", NULL);
    for (;;)
        serve_one(s);
}
