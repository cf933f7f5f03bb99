/*
 * See sender.h. Owns the loop: one epoll set with libcurl's sockets, two database connections, the resolver's sockets
 * and the signals. Must never wait for anything but epoll_wait.
 *
 * A crash leaves in `ready` every row that had no committed outcome: whoever owns the shard next sends it again, so a
 * receiver may see the requests that were under way a second time, with the same webhook-id.
 */
#include "worker/sender.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker/operator.h"
#include "worker/sending.h"

#define EVENTS 256
#define SWEEP_MS 100
#define MINUTE_MS 60000
#define LEISURE_MS (LIMIT_TIMEOUT_MS_MAX + 5000) /* a drain that nobody waits for */
#define LEAVE_MS                                                                                   \
    2000 /* to give the leases back; who waits for a database that is away gains nothing */

enum source {
    SOURCE_CURL,
    SOURCE_READ,
    SOURCE_WRITE,
    SOURCE_RESOLVER,
    SOURCE_SIGNAL,
    SOURCE_SANDBOX
};

/* --- epoll -------------------------------------------------------------------------------------------------------- */

static void watch_fd(struct sender *s, enum source source, int fd, unsigned events, bool known)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)source << 32 | (uint32_t)fd};
    if (!events) {
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    if (epoll_ctl(s->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) == 0)
        return;
    if (errno == EEXIST ||
        errno == ENOENT) /* libcurl closed and reopened the number behind our back */
        epoll_ctl(s->epoll_fd, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
}

static void watch_curl(void *arg, int fd, unsigned events, bool known)
{
    watch_fd(arg, SOURCE_CURL, fd, events, known);
}

static void watch_sandbox(void *arg, int fd, unsigned events, bool known)
{
    watch_fd(arg, SOURCE_SANDBOX, fd, events, known);
}

static void watch_resolver(void *arg, int fd, unsigned events, bool known)
{
    watch_fd(arg, SOURCE_RESOLVER, fd, events, known);
}

static void watch_pipe(void *arg, struct pipe *p, int fd, bool want_write)
{
    struct sender *s = arg;
    bool reads = p == s->read_pipe;
    int *known = reads ? &s->read_fd : &s->write_fd;
    if (*known >= 0 && *known != fd)
        watch_fd(s, reads ? SOURCE_READ : SOURCE_WRITE, *known, 0, true);
    if (fd >= 0)
        watch_fd(s, reads ? SOURCE_READ : SOURCE_WRITE, fd,
                 EPOLLIN | (want_write ? (unsigned)EPOLLOUT : 0), *known == fd);
    *known = fd;
}

/* --- housekeeping ------------------------------------------------------------------------------------------------- */

/* Names and addresses that it waited for are asked for again. */
static void look_again(struct destination *d)
{
    d->resolving = false;
    for (int i = 0; i < LANES; i++)
        d->lanes[i].wants_address = false;
}

static void sweep_one(struct destination *d, void *arg)
{
    struct sender *s = arg;
    look_again(d); /* a name whose project's line was full gets in this way */
    outcomes_cool(s, d);
    admission_restand(&s->admission, d, s->now_ms);
    dispatch_offer(s, d);
}

static bool forgettable(struct destination *d, void *arg)
{
    struct sender *s = arg;
    return !destination_has_backlog(d) && d->breaker.state == BREAKER_CLOSED &&
           s->now_ms >= d->blocked_until_ms;
}

static void tell_minute(struct sender *s)
{
    struct stats_now now;
    census_take(s, &now);
    stats_log(&s->stats, &now, &s->minute_before, s->now_ms);
}

/* Pauses that have ended, names that were looked up, and memory that nobody needs. */
static void sweep(struct sender *s)
{
    s->sweep_at_ms = s->now_ms + SWEEP_MS;
    destinations_each(s->destinations, sweep_one, s);
    dispatch_recall_all(s);
    if (destinations_count(s->destinations) > LIMIT_DESTINATIONS)
        destinations_drop(s->destinations, forgettable, s);
    if (s->now_ms >= s->minute_at_ms) {
        s->minute_at_ms = s->now_ms + MINUTE_MS;
        remotes_sweep(s->remotes, s->now_ms);
        if (address_guard_refresh())
            log_warn(
                "cannot list this host's own addresses: those that are public are not refused");
        tell_minute(s);
    }
}

static void name_answered(struct destination *d, void *arg)
{
    struct sender *s = arg;
    look_again(d);
    dispatch_offer(s, d);
}

static void names_answered(void *arg)
{
    struct sender *s = arg;
    destinations_each(s->destinations, name_answered, s);
}

/* Nothing new begins; what is under way may take so long. Asked again, it can only become less. */
static void stop(struct sender *s, int64_t patience_ms)
{
    int64_t until_ms = s->now_ms + patience_ms;
    if (s->stopping) {
        s->give_up_at_ms = until_ms < s->give_up_at_ms ? until_ms : s->give_up_at_ms;
        return;
    }
    s->stopping = true;
    s->give_up_at_ms = until_ms;
    log_info("draining: %d requests under way", transfers_count(s->transfers));
    reader_stop(s->reader);
}

/* What was decided by the old settings is decided anew; what was learnt about destinations stays. */
static void reload(struct sender *s)
{
    if (operator_reload(s->config_path, s->config))
        return;
    log_init("dlo-worker", s->config->log_format, s->config->log_level);
    operator_allow(s->config, &s->allow);
    s->breaker_rules = operator_breaker_rules(s->config);
    struct remotes_rules rules = operator_remotes_rules(s->config);
    remotes_set_rules(s->remotes, &rules);
    transfers_set_ca(s->transfers, operator_ca_file(s->config));
    resolver_reload(s->resolver, s->config->dns_servers);
    reader_forget_settings(s->reader);
    log_info("sender: configuration read again");
}

static void read_signal(struct sender *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info)
        switch (info.ssi_signo) {
        case SIGHUP:
            reload(s);
            break;
        case SIGUSR1:
            stop(s, LEISURE_MS);
            break;
        default:
            stop(s, s->stops++ ? 0 : LIMIT_DRAIN_MS);
        }
}

/* --- what the parts tell each other ------------------------------------------------------------------------------- */

static void changed(void *arg, struct destination *d)
{
    struct sender *s = arg;
    dispatch_offer(s, d);
}

static void end_row(void *arg, struct delivery *row, enum reason reason, const char *code,
                    const char *why)
{
    outcomes_verdict(arg, row, reason, code, why);
}

static void counters(void *arg, struct buf *json)
{
    struct sender *s = arg;
    struct stats_now now;
    census_take(s, &now);
    stats_json(&s->stats, &now, json);
}

static bool outcomes_wait(void *arg)
{
    struct sender *s = arg;
    return writer_full(s->writer);
}

static void notified(void *arg)
{
    struct sender *s = arg;
    reader_wake(s->reader);
}

static void pipe_connected(void *arg, struct pipe *p)
{
    struct sender *s = arg;
    if (p == s->read_pipe)
        reader_wake(s->reader);
}

static void pipe_lost(void *arg, struct pipe *p)
{
    struct sender *s = arg;
    if (p == s->read_pipe)
        reader_lost(s->reader);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void handle(struct sender *s, const struct epoll_event *ev)
{
    int fd = (int)(uint32_t)ev->data.u64;
    switch ((enum source)(ev->data.u64 >> 32)) {
    case SOURCE_CURL:
        transfers_ready(s->transfers, fd, ev->events & EPOLLIN, ev->events & EPOLLOUT,
                        ev->events & (EPOLLERR | EPOLLHUP));
        break;
    case SOURCE_READ:
        pipe_ready(s->read_pipe, s->now_ms);
        break;
    case SOURCE_WRITE:
        pipe_ready(s->write_pipe, s->now_ms);
        break;
    case SOURCE_RESOLVER:
        resolver_ready(s->resolver, fd, ev->events & (EPOLLIN | EPOLLERR | EPOLLHUP),
                       ev->events & EPOLLOUT);
        break;
    case SOURCE_SIGNAL:
        read_signal(s);
        break;
    case SOURCE_SANDBOX:
        sandboxes_ready(s->sandboxes, fd, s->now_ms);
        break;
    }
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Everything that is due now; returns when the next thing is. */
static int64_t tick(struct sender *s)
{
    int64_t next = transfers_tick(s->transfers, s->now_ms);
    next = earliest(next, pipe_tick(s->read_pipe, s->now_ms));
    next = earliest(next, pipe_tick(s->write_pipe, s->now_ms));
    if (s->now_ms >= s->sweep_at_ms)
        sweep(s);
    resolver_tick(s->resolver, s->now_ms); /* tells whose names were looked up */
    dispatch_admit(s);
    next = earliest(next, resolver_tick(s->resolver, s->now_ms)); /* admission begins look-ups */
    next = earliest(next, sandboxes_tick(s->sandboxes, s->now_ms));
    next = earliest(next, writer_tick(s->writer, s->write_pipe, s->now_ms));
    next = earliest(next, reader_tick(s->reader, s->read_pipe, s->now_ms));
    next =
        earliest(next, transfers_tick(s->transfers, s->now_ms)); /* admission sets curl's timer */
    if (s->stop_at_ms && s->now_ms >= s->stop_at_ms)
        stop(s, LIMIT_DRAIN_MS);
    return earliest(next, s->sweep_at_ms);
}

static bool finished(struct sender *s)
{
    if (!s->stopping || s->now_ms >= s->give_up_at_ms)
        return s->stopping;
    if (transfers_count(s->transfers) || sandboxes_busy(s->sandboxes) || !writer_empty(s->writer)) {
        s->settled_at_ms = 0;
        return false;
    }
    if (!s->settled_at_ms)
        s->settled_at_ms = s->now_ms;
    return reader_left(s->reader) || s->now_ms - s->settled_at_ms >= LEAVE_MS;
}

/* --once: it is over when nothing is held, nothing is under way, and a poll after that found nothing. */
static void look_for_the_end(struct sender *s)
{
    bool idle = pipe_idle(s->read_pipe) && leases_count(&s->leases, LEASE_HELD) > 0 &&
                delivery_table_count(s->held) == 0 && writer_empty(s->writer) &&
                !trials_busy(s->trials);
    if (idle && s->idle_once)
        stop(s, LIMIT_DRAIN_MS);
    if (idle && !s->idle_once)
        reader_wake(s->reader);
    s->idle_once = idle;
}

static void loop(struct sender *s)
{
    struct epoll_event events[EVENTS];
    int64_t look_at_ms = 0;
    while (!finished(s)) {
        int64_t next = tick(s);
        if (s->once && s->now_ms >= look_at_ms) {
            look_at_ms = s->now_ms + 1500; /* longer than a poll */
            look_for_the_end(s);
        }
        int64_t wait = next - clock_ms();
        int n = epoll_wait(s->epoll_fd, events, EVENTS,
                           wait < 0      ? 0
                           : wait > 1000 ? 1000
                                         : (int)wait);
        s->now_ms = clock_ms();
        for (int i = 0; i < n; i++)
            handle(s, &events[i]);
    }
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static int open_descriptors(struct sender *s)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&signals, wanted[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->epoll_fd < 0 || s->signal_fd < 0) {
        log_error("cannot open descriptors: %s", strerror(errno));
        return -1;
    }
    watch_fd(s, SOURCE_SIGNAL, s->signal_fd, EPOLLIN, false);
    return 0;
}

static int read_operator_settings(struct sender *s)
{
    char err[256];
    if (operator_allow(s->config, &s->allow))
        return -1;
    if (seal_keyring_load(s->config->key_file, &s->keyring, err, sizeof err)) {
        log_error("key_file: %s", err);
        return -1;
    }
    if (address_guard_refresh())
        log_warn("cannot list this host's own addresses: those that are public are not refused");
    return 0;
}

static int make_parts(struct sender *s)
{
    const char *dsn = s->config->dsn_worker[0] ? s->config->dsn_worker : s->config->dsn_owner;
    const char *ca = operator_ca_file(s->config);
    s->breaker_rules = operator_breaker_rules(s->config);
    struct transfers_owner transfers_owner = {s, watch_curl, outcomes_transfer_done};
    struct resolver_owner resolver_owner = {s, watch_resolver, names_answered};
    struct pipe_owner pipe_owner = {s, watch_pipe, notified, pipe_connected, pipe_lost};
    struct reader_owner reader_owner = {s, changed, end_row, counters, outcomes_wait};
    struct remotes_rules remotes_rules = operator_remotes_rules(s->config);
    s->destinations = destinations_new();
    s->turns = turns_new();
    s->remotes = remotes_new(&remotes_rules, &s->allow);
    s->held = delivery_table_new();
    struct sandboxes_owner sandboxes_owner = {s, watch_sandbox};
    s->sandboxes = sandboxes_new(s->nursery_fd, (int)s->config->sandboxes, &sandboxes_owner);
    s->trials = trials_new(s->sandboxes);
    struct reader_set set = {&s->owner,
                             &s->page->dead_owner,
                             &s->leases,
                             s->destinations,
                             s->held,
                             s->keyring,
                             &s->allow,
                             s->trials,
                             s->config->host_name};
    s->transfers = transfers_new(ca, &s->allow, s->page, &transfers_owner);
    s->resolver = resolver_new(s->config->dns_servers, &s->allow, &resolver_owner);
    if (!s->resolver)
        return -1; /* it has said why */
    s->reader = reader_new(&set, &reader_owner);
    s->writer = writer_new(&s->owner, s->index, &s->leases, outcomes_settled, s);
    s->read_pipe = pipe_new(dsn, "dlo-sender", "dlo_wake", &pipe_owner);
    s->write_pipe = pipe_new(dsn, "dlo-sender-outcomes", NULL, &pipe_owner);
    bool made = s->destinations && s->turns && s->remotes && s->held && s->sandboxes && s->trials &&
                s->transfers && s->resolver && s->reader && s->writer && s->read_pipe &&
                s->write_pipe;
    if (!made)
        log_error("out of memory");
    return made ? 0 : -1;
}

static void release_parts(struct sender *s)
{
    transfers_free(s->transfers);
    writer_free(s->writer);
    reader_free(s->reader);
    pipe_free(s->read_pipe);
    pipe_free(s->write_pipe);
    resolver_free(s->resolver);
    trials_free(s->trials);
    sandboxes_free(s->sandboxes);
    delivery_table_free(s->held);
    remotes_free(s->remotes);
    turns_free(s->turns);
    destinations_free(s->destinations);
    seal_keyring_free(s->keyring);
}

static void harden(void)
{
    struct rlimit files = {65536, 65536}, none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (setrlimit(RLIMIT_NOFILE, &files)) {
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    unsetenv("SSLKEYLOGFILE");
    const char *proxies[] = {"http_proxy", "https_proxy", "all_proxy",
                             "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++)
        unsetenv(proxies[i]);
}

int sender_run(struct config *config, const char *path, struct page_sender *page, int index,
               int nursery_fd, int64_t run_ms, int once)
{
    struct sender s = {.config = config,
                       .config_path = path,
                       .page = page,
                       .index = index,
                       .read_fd = -1,
                       .write_fd = -1,
                       .once = once,
                       .nursery_fd = nursery_fd};
    harden();
    srandom((unsigned)getpid() ^ (unsigned)clock_us());
    ids_new(&s.owner);
    page->owner = s.owner;
    s.now_ms = clock_ms();
    s.minute_at_ms = s.now_ms + MINUTE_MS;
    s.minute_before.at_ms = s.now_ms;
    s.stop_at_ms = run_ms > 0 ? s.now_ms + run_ms : 0;
    s.fault_type = getenv("DLO_FAULT_EVENT_TYPE");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rc = 1;
    if (open_descriptors(&s) == 0 && read_operator_settings(&s) == 0 && make_parts(&s) == 0) {
        log_info("sender %d starts", index);
        loop(&s);
        tell_minute(&s); /* what its last line has not told */
        log_info("sender %d ends, %d requests abandoned", index, transfers_count(s.transfers));
        rc = 0;
    }
    release_parts(&s);
    signing_release();
    return rc;
}
