/*
 * See sandboxes.h. Owns the slots, one for each sandbox, and decides who is served next. Must never block, and must never
 * give a sandbox to a second project. A crash closes every socket: the nursery kills the sandboxes and ends.
 *
 * A slot:
 *     EMPTY -> ASKED        one more was asked for          ASKED -> STARTING   the nursery has forked it
 *     STARTING -> IDLE      its wall is up                  IDLE -> BUSY -> IDLE
 *     any -> ENDING         it was killed, or has died      ENDING -> EMPTY     the nursery has buried it
 */
#include "worker/sandboxes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker/nursery.h"
#include "worker/sandbox_talk.h"

#define ASK_MS 5000       /* a nursery that has not answered for so long is asked again */
#define START_MS 5000     /* likewise a sandbox */
#define BURIAL_MS 200     /* how long the news of how it died may take */
#define PAUSE_MS 1000     /* after a fork failed */
#define UNWALLED_MS 60000 /* after a wall could not be put up */
#define WORK_MS (SANDBOX_CPU_S * 1000 * 2 / 3) /* replaced before its CPU time is used up */

enum state { EMPTY, ASKED, STARTING, IDLE, BUSY, ENDING };

struct slot {
    enum state state;
    pid_t pid;
    struct sandbox_talk talk;
    int32_t project_id; /* 0: it has served nobody */
    struct shape_job *job;
    int64_t deadline_ms, started_us, used_ms;
    int64_t worked_us;
    bool writing; /* watched for EPOLLOUT too */
    bool stood;   /* its wall was up */
    int served;
};

enum wall { WALL_UNKNOWN, WALL_UP, WALL_DOWN };

struct sandboxes {
    struct sandboxes_owner owner;
    struct shape_queue *queue;
    int nursery_fd;
    int count;
    enum wall wall;
    int64_t ask_at_ms;
    struct slot slots[NURSERY_SANDBOXES];
};

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void tell(struct shape_job *job, enum shape_code code, const char *why, const void *bytes,
                 size_t n, int64_t elapsed_us)
{
    job->done(job->arg, shape_code_result(code), shape_code_name(code), why, bytes, n, elapsed_us);
    shape_queue_job_free(job);
}

/* The job of this slot did not come to an answer. */
static void fail(struct slot *s, enum shape_code code, const char *why)
{
    struct shape_job *job = s->job;
    s->job = NULL;
    if (!job)
        return;
    if (!job->transform && shape_code_result(code) == SHAPE_TRANSFORM_FAILED)
        code = SHAPE_CODE_SCHEMA_COSTLY;
    tell(job, code, why, NULL, 0, clock_us() - s->started_us);
}

static void close_talk(struct sandboxes *p, struct slot *s)
{
    if (s->talk.fd >= 0)
        p->owner.watch(p->owner.arg, s->talk.fd, 0, true);
    sandbox_talk_release(&s->talk);
}

static void empty(struct slot *s)
{
    *s = (struct slot){.talk.fd = -1};
}

/* It is to end; a job that it still has waits for the news of how it died. */
static void end_slot(struct sandboxes *p, struct slot *s, int64_t now_ms)
{
    close_talk(p, s);
    nursery_send(p->nursery_fd, NURSERY_KILL, s->pid);
    s->state = ENDING;
    s->deadline_ms = now_ms + BURIAL_MS;
}

static const struct {
    int sig;
    enum shape_code code;
    const char *why;
} deaths[] = {
    {SIGSYS, SHAPE_CODE_FORBIDDEN, "the program made its sandbox ask for what it may not have"},
    {SIGXCPU, SHAPE_CODE_TIMEOUT, "the program used up its processor time"},
    {SIGKILL, SHAPE_CODE_MEMORY, "the program's sandbox was killed: it took too much memory"},
    {SIGABRT, SHAPE_CODE_CRASHED, "the program made libjq give up"},
    {0, SHAPE_CODE_CRASHED, "the program crashed its sandbox: it recurses or nests too deeply"},
};

static void refused(struct sandboxes *p, const char *why, int64_t pause_ms, int64_t now_ms)
{
    if (p->wall != WALL_DOWN)
        log_error("transforms and payload schemas are unavailable: no sandbox: %s", why);
    p->wall = WALL_DOWN;
    p->ask_at_ms = now_ms + pause_ms;
}

static void died(struct sandboxes *p, struct slot *s, int status, int64_t now_ms)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    size_t i = 0;
    while (deaths[i].sig && deaths[i].sig != sig)
        i++;
    close_talk(p, s);
    struct slot dead = *s;
    empty(s);
    if (!dead.stood && p->wall != WALL_DOWN)
        refused(p, "it died while it began", PAUSE_MS, now_ms);
    fail(&dead, deaths[i].code, deaths[i].why);
}

/* --- the nursery -------------------------------------------------------------------------------------------------- */

static struct slot *slot_of_pid(struct sandboxes *p, pid_t pid)
{
    for (int i = 0; i < p->count; i++)
        if (p->slots[i].state > ASKED && p->slots[i].pid == pid)
            return &p->slots[i];
    return NULL;
}

static int in_state(const struct sandboxes *p, enum state state)
{
    int n = 0;
    for (int i = 0; i < p->count; i++)
        n += p->slots[i].state == state;
    return n;
}

static struct slot *first_in(struct sandboxes *p, enum state state)
{
    for (int i = 0; i < p->count; i++)
        if (p->slots[i].state == state)
            return &p->slots[i];
    return NULL;
}

/* A nursery that begins knows nothing of what the one before was asked; its sandboxes are dead. */
static void nursery_began(struct sandboxes *p, int64_t now_ms)
{
    for (int i = 0; i < p->count; i++) {
        struct slot *s = &p->slots[i];
        if (s->state == ASKED)
            empty(s);
        else if (s->state != EMPTY)
            end_slot(p, s, now_ms);
    }
    p->ask_at_ms = 0;
}

static void born(struct sandboxes *p, pid_t pid, int fd, int64_t now_ms)
{
    struct slot *s = first_in(p, ASKED);
    if (fd < 0)
        return;
    if (!s) { /* it was given up: its socket is closed, so it ends */
        close(fd);
        return;
    }
    empty(s);
    s->state = STARTING;
    s->pid = pid;
    s->deadline_ms = now_ms + START_MS;
    sandbox_talk_init(&s->talk, fd);
    p->owner.watch(p->owner.arg, fd, EPOLLIN, false);
}

static void fork_failed(struct sandboxes *p, int error, int64_t now_ms)
{
    struct slot *s = first_in(p, ASKED);
    if (s)
        empty(s);
    refused(p, strerror(error), PAUSE_MS, now_ms);
}

static void talk(struct sandboxes *p, struct slot *s, int64_t now_ms);

/* Its last words may still lie in its socket. */
static void buried(struct sandboxes *p, pid_t pid, int status, int64_t now_ms)
{
    struct slot *s = slot_of_pid(p, pid);
    if (s && s->talk.fd >= 0)
        talk(p, s, now_ms);
    if (s && s->pid == pid)
        died(p, s, status, now_ms);
}

static void hear_nursery(struct sandboxes *p, const struct nursery_message *m, int fd,
                         int64_t now_ms)
{
    switch ((enum nursery_kind)m->kind) {
    case NURSERY_HELLO:
        nursery_began(p, now_ms);
        break;
    case NURSERY_BORN:
        born(p, m->pid, fd, now_ms);
        break;
    case NURSERY_FAILED:
        fork_failed(p, m->status, now_ms);
        break;
    case NURSERY_DIED:
        buried(p, m->pid, m->status, now_ms);
        break;
    case NURSERY_FORK:
    case NURSERY_KILL:
        break;
    }
}

static void read_nursery(struct sandboxes *p, int64_t now_ms)
{
    struct nursery_message m;
    int fd, rc;
    while ((rc = nursery_recv(p->nursery_fd, &m, &fd)) > 0)
        hear_nursery(p, &m, fd, now_ms);
    if (rc == 0)
        return;
    log_error("the nursery of this sender has gone for good");
    p->owner.watch(p->owner.arg, p->nursery_fd, 0, true);
    close(p->nursery_fd);
    p->nursery_fd = -1;
    p->wall = WALL_DOWN;
}

/* --- sandboxes ---------------------------------------------------------------------------------------------------- */

static void watch_slot(struct sandboxes *p, struct slot *s)
{
    bool writing = sandbox_talk_wants_write(&s->talk);
    if (writing == s->writing)
        return;
    s->writing = writing;
    p->owner.watch(p->owner.arg, s->talk.fd, EPOLLIN | (writing ? (unsigned)EPOLLOUT : 0), true);
}

static void started(struct sandboxes *p, struct slot *s, int64_t now_ms)
{
    char why[SHAPE_TEXT_MAX];
    if (sandbox_talk_code(&s->talk) == SHAPE_CODE_OK) {
        p->wall = WALL_UP;
        s->stood = true;
        s->state = IDLE;
        buf_clear(&s->talk.in);
        return;
    }
    sandbox_talk_words(&s->talk, why);
    end_slot(p, s, now_ms);
    refused(p, why, UNWALLED_MS, now_ms);
}

/* Out of memory in a sandbox that had served before may be what the others left there: once more, in a new one. */
static bool once_more(struct sandboxes *p, struct slot *s, enum shape_code code)
{
    if (code != SHAPE_CODE_MEMORY || s->served < 2 || s->job->again ||
        shape_queue_push(p->queue, s->job))
        return false;
    s->job->again = true;
    s->job = NULL;
    return true;
}

static void answered(struct sandboxes *p, struct slot *s, int64_t now_ms)
{
    enum shape_code code = sandbox_talk_code(&s->talk);
    int64_t elapsed_us = clock_us() - s->started_us;
    struct buf in =
        s->talk.in; /* kept until `done` has seen it: the slot may be used again there */
    char why[SHAPE_TEXT_MAX];
    size_t n;
    const void *bytes = sandbox_talk_bytes(&s->talk, &n);
    sandbox_talk_words(&s->talk, why);
    buf_init(&s->talk.in, in.cap);
    s->talk.job = NULL;
    s->state = IDLE;
    s->used_ms = now_ms;
    s->worked_us += elapsed_us;
    bool again = once_more(p, s, code);
    struct shape_job *job = s->job;
    s->job = NULL;
    if (code == SHAPE_CODE_MEMORY || s->worked_us > WORK_MS * 1000LL ||
        elapsed_us > SANDBOX_CALM_MS * 1000LL)
        end_slot(p, s, now_ms);
    if (!again)
        tell(job, code, why, bytes, n, elapsed_us);
    buf_release(&in);
}

static void talk(struct sandboxes *p, struct slot *s, int64_t now_ms)
{
    enum sandbox_talk_state state = sandbox_talk_go(&s->talk);
    if (state == SANDBOX_TALK_MORE)
        watch_slot(p, s);
    else if (state == SANDBOX_TALK_BROKEN || s->state == IDLE)
        end_slot(p, s, now_ms);
    else if (s->state == STARTING)
        started(p, s, now_ms);
    else
        answered(p, s, now_ms);
}

void sandboxes_ready(struct sandboxes *p, int fd, int64_t now_ms)
{
    if (fd == p->nursery_fd) {
        read_nursery(p, now_ms);
        return;
    }
    for (int i = 0; i < p->count; i++)
        if (p->slots[i].talk.fd == fd) {
            talk(p, &p->slots[i], now_ms);
            return;
        }
}

/* --- who is next -------------------------------------------------------------------------------------------------- */

static int busy_for(const struct sandboxes *p, int32_t project)
{
    int n = 0;
    for (int i = 0; i < p->count; i++)
        n += p->slots[i].state == BUSY && p->slots[i].project_id == project;
    return n;
}

static bool within_share(const struct sandboxes *p, int32_t project)
{
    int half = p->count > 1 ? p->count / 2 : 1;
    return busy_for(p, project) < half || !shape_queue_others(p->queue, project);
}

/* Its own, else one that has served nobody. */
static struct slot *slot_for(struct sandboxes *p, int32_t project)
{
    struct slot *blank = NULL;
    for (int i = 0; i < p->count; i++) {
        struct slot *s = &p->slots[i];
        if (s->state == IDLE && s->project_id == project)
            return s;
        if (s->state == IDLE && !s->project_id)
            blank = s;
    }
    return blank;
}

static bool can_run(void *arg, int32_t project)
{
    return within_share(arg, project) && slot_for(arg, project);
}

static void run(struct sandboxes *p, struct shape_job *job, int64_t now_ms)
{
    struct slot *s = slot_for(p, job->project_id);
    s->state = BUSY;
    s->project_id = job->project_id;
    s->job = job;
    s->served++;
    s->started_us = clock_us();
    s->deadline_ms = now_ms + SANDBOXES_WALL_MS;
    sandbox_talk_ask(&s->talk, job);
    talk(p, s, now_ms);
}

static bool wants_another(void *arg, int32_t project)
{
    return within_share(arg, project);
}

/* Idle sandboxes of others make room for projects that have none, one for each that waits. */
static void replace(struct sandboxes *p, int64_t now_ms)
{
    int coming =
        in_state(p, EMPTY) + in_state(p, ASKED) + in_state(p, STARTING) + in_state(p, ENDING);
    int wanted = shape_queue_projects(p->queue, wants_another, p) - coming;
    for (; wanted > 0; wanted--) {
        struct slot *oldest = NULL;
        for (int i = 0; i < p->count; i++) {
            struct slot *s = &p->slots[i];
            if (s->state == IDLE && (!oldest || s->used_ms < oldest->used_ms))
                oldest = s;
        }
        if (!oldest)
            return;
        end_slot(p, oldest, now_ms);
    }
}

static void dispatch(struct sandboxes *p, int64_t now_ms)
{
    struct shape_job *job;
    while ((job = shape_queue_pop(p->queue, can_run, p)))
        run(p, job, now_ms);
    replace(p, now_ms);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void refill(struct sandboxes *p, int64_t now_ms)
{
    if (p->nursery_fd < 0 || now_ms < p->ask_at_ms)
        return;
    for (int i = 0; i < p->count; i++) {
        struct slot *s = &p->slots[i];
        if (s->state != EMPTY)
            continue;
        if (p->wall == WALL_DOWN && in_state(p, ASKED) + in_state(p, STARTING) > 0)
            return; /* one at a time, until one stands */
        if (nursery_send(p->nursery_fd, NURSERY_FORK, 0)) {
            p->ask_at_ms = now_ms + PAUSE_MS;
            return;
        }
        s->state = ASKED;
        s->deadline_ms = now_ms + ASK_MS;
    }
}

/* Nobody says how it died, so the nursery died too: the request is made once more. */
static void lost(struct sandboxes *p, struct slot *s)
{
    struct slot dead = *s;
    empty(s);
    if (dead.job && !dead.job->again && shape_queue_push(p->queue, dead.job) == 0)
        dead.job->again = true;
    else
        fail(&dead, SHAPE_CODE_UNAVAILABLE, "the sandbox was lost");
}

static void late(struct sandboxes *p, struct slot *s, int64_t now_ms)
{
    switch (s->state) {
    case BUSY:
        fail(s, SHAPE_CODE_TIMEOUT, "it ran longer than 500 ms");
        end_slot(p, s, now_ms);
        break;
    case STARTING:
        end_slot(p, s, now_ms);
        break;
    case ASKED:
        empty(s);
        break;
    case ENDING:
        lost(p, s);
        break;
    case EMPTY:
    case IDLE:
        break;
    }
}

static bool has_deadline(const struct slot *s)
{
    return s->state != EMPTY && s->state != IDLE;
}

/* What has waited too long, or waits for what will not come. */
static void give_up(struct sandboxes *p, int64_t now_ms)
{
    struct shape_job *job;
    int64_t before = p->wall == WALL_DOWN || !p->count ? INT64_MAX : now_ms - SANDBOXES_WAIT_MS;
    int n = shape_queue_count(p->queue); /* `done` may submit */
    while (n-- > 0 && (job = shape_queue_pop_older(p->queue, before)))
        tell(job, SHAPE_CODE_UNAVAILABLE, "no sandbox is available", NULL, 0, 0);
}

int64_t sandboxes_tick(struct sandboxes *p, int64_t now_ms)
{
    for (int i = 0; i < p->count; i++)
        if (has_deadline(&p->slots[i]) && now_ms >= p->slots[i].deadline_ms)
            late(p, &p->slots[i], now_ms);
    dispatch(p, now_ms);
    give_up(p, now_ms);
    refill(p, now_ms);
    int64_t next = INT64_MAX, oldest = shape_queue_oldest_ms(p->queue);
    if (oldest != INT64_MAX)
        next = p->wall == WALL_DOWN || !p->count ? now_ms : oldest + SANDBOXES_WAIT_MS + 1;
    for (int i = 0; i < p->count; i++)
        if (has_deadline(&p->slots[i]) && p->slots[i].deadline_ms < next)
            next = p->slots[i].deadline_ms;
    if (in_state(p, EMPTY) && p->nursery_fd >= 0 && p->ask_at_ms > now_ms && p->ask_at_ms < next)
        next = p->ask_at_ms;
    return next;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct sandboxes *sandboxes_new(int nursery_fd, int count, const struct sandboxes_owner *owner)
{
    struct sandboxes *p = calloc(1, sizeof *p);
    if (!p || !(p->queue = shape_queue_new())) {
        free(p);
        return NULL;
    }
    p->owner = *owner;
    p->nursery_fd = nursery_fd;
    p->count = nursery_fd < 0 ? 0 : count < NURSERY_SANDBOXES ? count : NURSERY_SANDBOXES;
    for (int i = 0; i < NURSERY_SANDBOXES; i++)
        empty(&p->slots[i]);
    if (p->count)
        owner->watch(owner->arg, nursery_fd, EPOLLIN, false);
    return p;
}

void sandboxes_free(struct sandboxes *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->count; i++) {
        sandbox_talk_release(&p->slots[i].talk);
        shape_queue_job_free(p->slots[i].job);
    }
    shape_queue_free(p->queue);
    if (p->nursery_fd >= 0)
        close(p->nursery_fd);
    free(p);
}

static bool copied(char **to, const char *from)
{
    return !from || (*to = strdup(from));
}

int sandboxes_submit(struct sandboxes *p, const struct shaping *s, int64_t now_ms)
{
    if ((s->transform && strlen(s->transform) > LIMIT_TRANSFORM_BYTES) ||
        (s->schema && strlen(s->schema) > LIMIT_SCHEMA_BYTES) ||
        s->payload_len > LIMIT_PAYLOAD_BYTES)
        return -1;
    struct shape_job *job = calloc(1, sizeof *job);
    if (!job)
        return -1;
    job->project_id = s->project_id;
    job->payload = s->payload;
    job->payload_len = s->payload_len;
    job->done = s->done;
    job->arg = s->arg;
    job->queued_ms = now_ms;
    if (copied(&job->transform, s->transform) && copied(&job->schema, s->schema) &&
        shape_queue_push(p->queue, job) == 0)
        return 0;
    shape_queue_job_free(job);
    return -1;
}

bool sandboxes_available(const struct sandboxes *p)
{
    return p->wall == WALL_UP;
}

int sandboxes_busy(const struct sandboxes *p)
{
    return in_state(p, BUSY);
}

int sandboxes_waiting(const struct sandboxes *p)
{
    return shape_queue_count(p->queue);
}
