/*
 * See sender.h. Owns the loop: one epoll set with libcurl's sockets, two database connections, the resolver's sockets
 * and the signals. Admission is here and nowhere else. Must never wait for anything but epoll_wait.
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

#include <openssl/rand.h>

#include "common/log.h"
#include "common/seal.h"
#include "worker/clock.h"
#include "worker/reader.h"
#include "worker/resolver.h"
#include "worker/stats.h"
#include "worker/transfers.h"
#include "worker/writer.h"

#define EVENTS 256
#define SWEEP_MS 100
#define MINUTE_MS 60000
#define UNWRITABLE_PAUSE_MS 60000
#define LONG_BLOCK_MS 60000 /* a Retry-After beyond it: what was read ahead is given up */

enum source { SOURCE_CURL, SOURCE_READ, SOURCE_WRITE, SOURCE_RESOLVER, SOURCE_SIGNAL };

struct sender {
    const struct config *config;
    struct page_sender *page;
    struct uuid owner;
    int epoll_fd, signal_fd;
    struct address_allow allow;
    struct seal_keyring *keyring;
    struct leases leases;
    struct destinations *destinations;
    struct delivery_table *held;
    struct transfers *transfers;
    struct resolver *resolver;
    struct reader *reader;
    struct writer *writer;
    struct pipe *read_pipe, *write_pipe;
    int read_fd, write_fd;
    size_t inflight_bytes;
    int troubled_inflight;     /* requests to destinations that were in trouble */
    struct delivery *suspects; /* sent last, one at a time */
    struct stats stats, minute_before;
    int64_t now_ms, sweep_at_ms, minute_at_ms, stop_at_ms, give_up_at_ms;
    bool stopping, once, idle_once;
    const char *
        fault_type; /* fault injection for tests: sending an event of this type aborts the process */
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

/* --- ends of deliveries ------------------------------------------------------------------------------------------- */

static double jitter(void)
{
    uint32_t r = 0;
    RAND_bytes((unsigned char *)&r, sizeof r);
    return (double)r / UINT32_MAX * 2 - 1;
}

static const char *content_type_of(const struct attempt *a, char out[128])
{
    const char *p = a->response_headers.data;
    out[0] = '\0';
    while (p && *p) {
        if (strncasecmp(p, "content-type:", 13) == 0) {
            p += 13 + strspn(p + 13, " \t");
            size_t n = strcspn(p, "\n");
            snprintf(out, 128, "%.*s", (int)(n < 127 ? n : 127), p);
            break;
        }
        p = strchr(p, '\n');
        p += p != NULL;
    }
    return out;
}

static void prepare_entry(struct attempt *a)
{
    char type[128];
    ids_new(&a->entry_id);
    fingerprint_compute(&a->delivery->dest->set.public_id, states_reason_name((int)a->reason),
                        a->status, content_type_of(a, type), a->response_body.data,
                        a->response_body.len, a->error_code, &a->fp);
}

static void log_attempt(const struct attempt *a)
{
    char delivery[IDS_TEXT_MAX], webhook[IDS_TEXT_MAX];
    enum log_level level = a->outcome == OUTCOME_DELIVERED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    ids_format(ID_DELIVERY, &a->delivery->id, delivery);
    ids_format(ID_WEBHOOK, &a->delivery->dest->set.public_id, webhook);
    log_write(level, "delivery=%s webhook=%s n=%d outcome=%s status=%d reason=%s ms=%d next=%lld",
              delivery, webhook, a->delivery->tries + 1, states_outcome_name((int)a->outcome),
              a->status, a->reason ? states_reason_name((int)a->reason) : "-", a->total_us / 1000,
              (long long)(a->outcome == OUTCOME_RETRY ? a->retry_ms / 1000 : 0));
}

/* From here on the outcome is the writer's; `busy` and `completing` end when it is settled. */
static void hand_over(struct sender *s, struct attempt *a)
{
    struct delivery *row = a->delivery;
    if (a->outcome == OUTCOME_DEAD)
        prepare_entry(a);
    if (a->outcome == OUTCOME_RETRY)
        reader_retry_in(s->reader, s->now_ms, a->retry_ms);
    stats_attempt(&s->stats, a);
    log_attempt(a);
    row->state = DELIVERY_COMPLETING;
    row->dest->completing++;
    writer_add(s->writer, a, s->now_ms);
}

static void suspect_survived(struct sender *s, const struct delivery *row)
{
    struct page_suspect *suspect = page_suspect(s->page, &row->id);
    if (suspect)
        page_cleared(s->page, suspect);
}

/* A poison's verdict is on disk, or was refused: then it is still a suspect, and the next in line has its turn. */
static void verdict_settled(struct sender *s, const struct delivery *row, bool committed)
{
    static const struct uuid none;
    if (committed)
        suspect_survived(s, row);
    else if (memcmp(&s->page->alone, &row->id, sizeof row->id) == 0)
        s->page->alone = none;
}

static void settled(void *arg, struct attempt *a)
{
    struct sender *s = arg;
    struct delivery *row = a->delivery;
    struct destination *d = row->dest;
    int64_t pos = row->pos;
    bool stale = a->stale;
    if (stale && a->unwritable)
        d->blocked_until_ms = s->now_ms + UNWRITABLE_PAUSE_MS;
    d->completing--;
    s->leases.busy[row->shard]--;
    if (a->reason == REASON_INTERNAL)
        verdict_settled(s, row, !stale);
    attempt_free(a);
    reader_release_row(s->reader, row);
    if (stale)
        destination_rewind(d, pos); /* if it is still there, it is read and sent again */
    destinations_offer(s->destinations, d, s->now_ms);
}

/* A row that ends without a request. */
static void ends(void *arg, struct delivery *row, enum reason reason, const char *code,
                 const char *why)
{
    struct sender *s = arg;
    struct attempt *a = attempt_new(row, ATTEMPT_VERDICT, clock_us());
    if (!a) {
        reader_release_row(s->reader, row);
        return;
    }
    if (row->dest->set.redacted_url)
        a->url = strdup(row->dest->set.redacted_url);
    attempt_verdict(a, reason, code, why);
    s->leases.busy[row->shard]++;
    hand_over(s, a);
}

static bool troubled(const struct attempt *a)
{
    return a->reason != REASON_NONE && !a->permanent;
}

static void block(struct sender *s, struct destination *d, int64_t ms)
{
    d->blocked_until_ms = s->now_ms + ms;
    if (ms > LONG_BLOCK_MS)
        destination_forget_queue(d, s->held); /* the hold budget counts for them, see waiting.c */
}

/* What an answer means for the destination, beyond this delivery. */
static void learn(struct sender *s, struct destination *d, const struct attempt *a)
{
    if (troubled(a))
        destination_troubled(d);
    else if (a->status) /* it answered, be it a refusal: it can take more */
        destination_succeeded(d, !destinations_waiting(s->destinations));
    if (a->retry_after_s > 0 && a->reason != REASON_NONE)
        block(s, d, a->retry_after_s * 1000);
    if (a->status == 410 && d->set.enabled) {
        d->set.enabled = false; /* at once here; the database follows */
        destination_forget_queue(d, s->held);
        reader_webhook_gone(s->reader, d->webhook_id);
    }
}

static void transfer_done(void *arg, struct attempt *a, const struct classify_facts *f,
                          const char *curl_error)
{
    struct sender *s = arg;
    struct delivery *row = a->delivery;
    struct destination *d = row->dest;
    s->inflight_bytes -= (size_t)row->payload_bytes;
    d->inflight--;
    s->troubled_inflight -= row->in_trouble;
    suspect_survived(s, row);
    classify(a, &d->set, f, curl_error, jitter());
    learn(s, d, a);
    hand_over(s, a);
    destinations_offer(s->destinations, d, s->now_ms);
}

/* --- admission ---------------------------------------------------------------------------------------------------- */

static void inject_fault(const struct sender *s, const struct delivery *row)
{
    if (s->fault_type && row->type && strcmp(s->fault_type, row->type) == 0)
        abort();
}

static void fail_at_once(struct sender *s, struct attempt *a, enum reason reason, bool permanent,
                         const char *code, const char *why)
{
    suspect_survived(s, a->delivery);
    classify_failure(a, &a->delivery->dest->set, reason, permanent, code, why, jitter());
    learn(s, a->delivery->dest, a);
    hand_over(s, a);
}

/* What it means that there is no address to connect to. */
static const struct {
    enum reason reason;
    bool permanent;
    const char *code, *why;
} unresolved[] = {
    [RESOLVER_REFUSED] = {REASON_ADDRESS_REFUSED, true, "address_refused",
                          "the name has no address that is public or on the operator's allow list"},
    [RESOLVER_NO_NAME] = {REASON_DNS, true, "nxdomain", "the name does not exist"},
    [RESOLVER_SERVFAIL] = {REASON_DNS, false, "dns_servfail",
                           "the name servers could not look up the name"},
    [RESOLVER_TIMEOUT] = {REASON_DNS, false, "dns_timeout",
                          "the name servers did not answer in time"},
};

/* The request of a row that was taken from its queue. `answer`: what its name resolved to. */
static void begin(struct sender *s, struct delivery *row, enum resolver_answer answer,
                  const struct sockaddr_storage *pin)
{
    struct destination *d = row->dest;
    struct attempt *a = attempt_new(row, ATTEMPT_REQUEST, clock_us());
    s->leases.busy[row->shard]++;
    if (!a) {
        s->leases.busy[row->shard]--;
        suspect_survived(s, row);
        destination_enqueue(d, row);
        return;
    }
    row->state = DELIVERY_SENDING;
    a->url = strdup(d->set.redacted_url ? d->set.redacted_url : "");
    if (d->set.refused)
        fail_at_once(s, a, REASON_ADDRESS_REFUSED, true, "url_refused", d->set.refused);
    else if (answer != RESOLVER_HIT)
        fail_at_once(s, a, unresolved[answer].reason, unresolved[answer].permanent,
                     unresolved[answer].code, unresolved[answer].why);
    else if (transfers_start(s->transfers, a, d->set.url.is_literal ? NULL : pin))
        fail_at_once(s, a, REASON_INTERNAL, false, "no_memory", "the request could not be made");
    else {
        d->inflight++;
        row->in_trouble = d->in_trouble;
        s->troubled_inflight += row->in_trouble;
        s->inflight_bytes += (size_t)row->payload_bytes;
        inject_fault(s, row);
    }
}

/* Suspects wait until nothing else of their kind is under way; the one that killed again ends here. */
static bool put_aside(struct sender *s, struct delivery *row)
{
    struct page_suspect *suspect = s->page->nsuspects ? page_suspect(s->page, &row->id) : NULL;
    static const struct uuid none;
    if (!suspect)
        return false;
    if (suspect->kills && memcmp(&s->page->alone, &none, sizeof none) == 0) {
        s->page->alone = row->id; /* no other suspect until this verdict is committed (settled) */
        ends(s, row, REASON_INTERNAL, "poison", "sending it ended the sender twice");
        return true;
    }
    if (memcmp(&s->page->alone, &none, sizeof none) == 0) {
        s->page->alone = row->id;
        return false;
    }
    row->next = s->suspects;
    s->suspects = row;
    row->dest->completing++; /* it must not be forgotten meanwhile */
    return true;
}

static void return_suspects(struct sender *s)
{
    static const struct uuid none;
    if (!s->suspects || memcmp(&s->page->alone, &none, sizeof none) != 0)
        return;
    struct delivery *row = s->suspects;
    s->suspects = row->next;
    row->dest->completing--;
    destination_enqueue(row->dest, row);
    destinations_offer(s->destinations, row->dest, s->now_ms);
}

/* Takes one delivery of a destination as far as it goes now. */
static void send_one(struct sender *s, struct destination *d)
{
    struct sockaddr_storage pin;
    enum resolver_answer answer = RESOLVER_HIT;
    if (!d->head->payload) {
        d->wants_payload = true;
        return;
    }
    if (!d->set.refused && !d->set.url.is_literal)
        answer = resolver_get(s->resolver, d->set.project_id, d->set.url.host, s->now_ms, &pin);
    if (answer == RESOLVER_PENDING) {
        d->resolving = true;
        return;
    }
    struct delivery *row = destination_dequeue(d);
    if (!put_aside(s, row))
        begin(s, row, answer, &pin);
    destinations_offer(s->destinations, d, s->now_ms);
}

static bool room(const struct sender *s)
{
    return transfers_count(s->transfers) < LIMIT_INFLIGHT_TARGET && !transfers_full(s->transfers) &&
           s->inflight_bytes < LIMIT_INFLIGHT_BYTES && !writer_full(s->writer);
}

/* Destinations in trouble keep at most half of the slots: those that hang must not stop those that answer. The one
 * that is turned away comes again with the next sweep. */
static bool admissible(const struct sender *s, const struct destination *d)
{
    return destination_may_send(d, s->now_ms) && leases_may_send(&s->leases, d->shard, s->now_ms) &&
           !(d->in_trouble && s->troubled_inflight >= LIMIT_INFLIGHT_TARGET / 2);
}

static void admit(struct sender *s)
{
    struct destination *d;
    return_suspects(s);
    while (room(s) && (d = destinations_next(s->destinations)))
        if (admissible(s, d))
            send_one(s, d);
}

/* --- housekeeping ------------------------------------------------------------------------------------------------- */

static void sweep_one(struct destination *d, void *arg)
{
    struct sender *s = arg;
    d->resolving = false; /* asked again: a name whose project's line was full gets in this way */
    destinations_offer(s->destinations, d, s->now_ms);
}

static bool forgettable(struct destination *d, void *arg)
{
    struct sender *s = arg;
    return !d->backlog && s->now_ms >= d->blocked_until_ms;
}

/* Pauses that have ended, names that were looked up, and memory that nobody needs. */
static void sweep(struct sender *s)
{
    s->sweep_at_ms = s->now_ms + SWEEP_MS;
    destinations_each(s->destinations, sweep_one, s);
    if (destinations_count(s->destinations) > LIMIT_DESTINATIONS)
        destinations_drop(s->destinations, forgettable, s);
    if (s->now_ms >= s->minute_at_ms) {
        s->minute_at_ms = s->now_ms + MINUTE_MS;
        if (address_guard_refresh())
            log_warn(
                "cannot list this host's own addresses: those that are public are not refused");
        stats_log(&s->stats, &s->minute_before, writer_stats(s->writer),
                  transfers_count(s->transfers), leases_count(&s->leases, LEASE_HELD));
    }
}

static void name_answered(struct destination *d, void *arg)
{
    struct sender *s = arg;
    d->resolving = false;
    destinations_offer(s->destinations, d, s->now_ms);
}

static void names_answered(void *arg)
{
    struct sender *s = arg;
    destinations_each(s->destinations, name_answered, s);
}

static void stop(struct sender *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->give_up_at_ms = s->now_ms + LIMIT_DRAIN_MS;
    log_info("draining: %d requests under way", transfers_count(s->transfers));
    reader_stop(s->reader);
}

static void read_signal(struct sender *s)
{
    struct signalfd_siginfo info;
    if (read(s->signal_fd, &info, sizeof info) != sizeof info)
        return;
    if (s->stopping)
        s->give_up_at_ms = s->now_ms; /* the second one: at once */
    stop(s);
}

/* --- what the parts tell each other ------------------------------------------------------------------------------- */

static void changed(void *arg, struct destination *d)
{
    struct sender *s = arg;
    destinations_offer(s->destinations, d, s->now_ms);
}

static void counters(void *arg, struct buf *json)
{
    struct sender *s = arg;
    stats_json(&s->stats, writer_stats(s->writer), transfers_count(s->transfers),
               leases_count(&s->leases, LEASE_HELD), delivery_table_count(s->held), json);
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
    admit(s);
    next = earliest(next, resolver_tick(s->resolver, s->now_ms)); /* admission begins look-ups */
    next = earliest(next, writer_tick(s->writer, s->write_pipe, s->now_ms));
    next = earliest(next, reader_tick(s->reader, s->read_pipe, s->now_ms));
    next =
        earliest(next, transfers_tick(s->transfers, s->now_ms)); /* admission sets curl's timer */
    if (s->stop_at_ms && s->now_ms >= s->stop_at_ms)
        stop(s);
    return earliest(next, s->sweep_at_ms);
}

static bool finished(const struct sender *s)
{
    if (!s->stopping)
        return false;
    if (s->now_ms >= s->give_up_at_ms)
        return true;
    return reader_left(s->reader) && writer_empty(s->writer) && transfers_count(s->transfers) == 0;
}

/* --once: it is over when nothing is held, nothing is under way, and a poll after that found nothing. */
static void look_for_the_end(struct sender *s)
{
    bool idle = pipe_idle(s->read_pipe) && leases_count(&s->leases, LEASE_HELD) > 0 &&
                delivery_table_count(s->held) == 0 && writer_empty(s->writer);
    if (idle && s->idle_once)
        stop(s);
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
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &stops, SFD_NONBLOCK | SFD_CLOEXEC);
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
    if (address_guard_parse_allow(s->config->allow_nets, &s->allow, err, sizeof err)) {
        log_error("allow_nets: %s", err);
        return -1;
    }
    if (seal_keyring_load(s->config->key_file, &s->keyring, err, sizeof err)) {
        log_error("key_file: %s", err);
        return -1;
    }
    if (address_guard_refresh())
        log_warn("cannot list this host's own addresses: those that are public are not refused");
    return 0;
}

/* The CA bundle: the setting, else where the distributions keep it. */
static const char *ca_file(const struct config *config)
{
    static const char *const usual[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    const char *found = config->ca_file[0] ? config->ca_file : NULL;
    for (size_t i = 0; !found && i < sizeof usual / sizeof *usual; i++)
        if (access(usual[i], R_OK) == 0)
            found = usual[i];
    if (!found || access(found, R_OK))
        log_error("no CA bundle can be read ('%s'): every https delivery will fail; install "
                  "ca-certificates or set ca_file",
                  found ? found : usual[0]);
    return found ? found : usual[0];
}

static int make_parts(struct sender *s)
{
    const char *dsn = s->config->dsn_worker[0] ? s->config->dsn_worker : s->config->dsn_owner;
    const char *ca = ca_file(s->config);
    struct transfers_owner transfers_owner = {s, watch_curl, transfer_done};
    struct resolver_owner resolver_owner = {s, watch_resolver, names_answered};
    struct pipe_owner pipe_owner = {s, watch_pipe, notified, pipe_connected, pipe_lost};
    struct reader_owner reader_owner = {s, changed, ends, counters, outcomes_wait};
    s->destinations = destinations_new();
    s->held = delivery_table_new();
    struct reader_set set = {&s->owner, &s->page->dead_owner, &s->leases, s->destinations,
                             s->held,   s->keyring,           &s->allow};
    s->transfers = transfers_new(ca, &s->allow, s->page, &transfers_owner);
    s->resolver = resolver_new(s->config->dns_servers, &s->allow, &resolver_owner);
    if (!s->resolver)
        return -1;
    s->reader = reader_new(&set, &reader_owner);
    s->writer = writer_new(&s->owner, &s->leases, settled, s);
    s->read_pipe = pipe_new(dsn, "dlo-sender", "dlo_wake", &pipe_owner);
    s->write_pipe = pipe_new(dsn, "dlo-sender-outcomes", NULL, &pipe_owner);
    bool made = s->destinations && s->held && s->transfers && s->resolver && s->reader &&
                s->writer && s->read_pipe && s->write_pipe;
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
    delivery_table_free(s->held);
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

int sender_run(const struct config *config, struct page_sender *page, int index, int64_t run_ms,
               int once)
{
    struct sender s = {.config = config, .page = page, .read_fd = -1, .write_fd = -1, .once = once};
    harden();
    srandom((unsigned)getpid() ^ (unsigned)clock_us());
    ids_new(&s.owner);
    page->owner = s.owner;
    s.now_ms = clock_ms();
    s.minute_at_ms = s.now_ms + MINUTE_MS;
    s.stop_at_ms = run_ms > 0 ? s.now_ms + run_ms : 0;
    s.fault_type = getenv("DLO_FAULT_EVENT_TYPE");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rc = 1;
    if (open_descriptors(&s) == 0 && read_operator_settings(&s) == 0 && make_parts(&s) == 0) {
        log_info("sender %d starts", index);
        loop(&s);
        log_info("sender %d ends, %d requests abandoned", index, transfers_count(s.transfers));
        rc = 0;
    }
    release_parts(&s);
    signing_release();
    return rc;
}
