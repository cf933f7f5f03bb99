/*
 * See resolver.h. The only file of the sender with threads: they take a host from the queue, call getaddrinfo, put the
 * answer into its cache entry under the lock. They touch nothing else. A crash loses a cache.
 */
#include "worker/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/clock.h"

#define SLOTS 1024
#define ENTRIES_MAX 20000
#define KEEP_MS 30000
#define KEEP_FAILURE_MS 5000
#define KEEP_STALE_MS 600000 /* an old answer while a new one is looked up */
#define GIVE_UP_MS 10000     /* in a thread; waiting for one does not count */
#define SLOW_MS 1000
#define THREADS_MAX 16

struct entry {
    struct entry *next;      /* in its slot */
    struct entry *next_todo; /* in the queue */
    bool waiting;            /* queued or being looked up */
    bool slow;               /* its last look-up took long: it waits in a queue of its own */
    int64_t taken_ms;        /* when a thread took it; 0: still queued */
    int64_t until_ms;        /* fresh until then */
    enum resolver_answer answer;
    struct sockaddr_storage addr;
    char host[];
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct entry *slots[SLOTS];
    struct queue {
        struct entry *head, *tail;
    } fast, slow;
    size_t entries;
    int threads;
    int event_fd;
    const struct address_allow *allow;
};

static unsigned hash(const char *s)
{
    unsigned h = 5381;
    for (; *s; s++)
        h = h * 33 ^ (unsigned char)*s;
    return h % SLOTS;
}

/* The first address that may be connected to; filter and pin. */
static enum resolver_answer choose(const struct resolver *r, const struct addrinfo *list,
                                   struct sockaddr_storage *out)
{
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        if (address_guard_check(a->ai_addr, r->allow) != ADDRESS_OK)
            continue;
        memset(out, 0, sizeof *out);
        memcpy(out, a->ai_addr, a->ai_addrlen);
        return RESOLVER_HIT;
    }
    return RESOLVER_REFUSED;
}

static enum resolver_answer look_up(const struct resolver *r, const char *host,
                                    struct sockaddr_storage *out)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_ADDRCONFIG},
                    *list = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc == EAI_ADDRFAMILY || rc == EAI_NONAME || rc == EAI_NODATA) {
        /* Without a network interface beside the loopback, AI_ADDRCONFIG hides loopback answers. */
        hints.ai_flags = 0;
        rc = getaddrinfo(host, NULL, &hints, &list);
    }
    if (rc == 0) {
        enum resolver_answer answer = choose(r, list, out);
        freeaddrinfo(list);
        return answer;
    }
    return rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_ADDRFAMILY ? RESOLVER_NO_NAME
                                                                        : RESOLVER_TROUBLE;
}

static struct entry *take(struct queue *q)
{
    struct entry *e = q->head;
    if (!e)
        return NULL;
    q->head = e->next_todo;
    if (!q->head)
        q->tail = NULL;
    e->taken_ms = clock_ms();
    return e;
}

/* Half of the threads never touch a name that was slow: one tenant's dead DNS server must not stop the others. */
static struct entry *next_entry(struct resolver *r, bool takes_slow)
{
    struct entry *e = take(&r->fast);
    return e || !takes_slow ? e : take(&r->slow);
}

static void *thread_main(void *arg)
{
    struct resolver *r = arg;
    pthread_mutex_lock(&r->lock);
    bool takes_slow = r->threads++ % 2;
    for (;;) {
        struct entry *e;
        while (!(e = next_entry(r, takes_slow)))
            pthread_cond_wait(&r->work, &r->lock);
        pthread_mutex_unlock(&r->lock);

        struct sockaddr_storage addr = {0};
        enum resolver_answer answer = look_up(r, e->host, &addr);

        pthread_mutex_lock(&r->lock);
        /* What was known stays in use for a while when the name server is in trouble. */
        if (answer != RESOLVER_TROUBLE || e->answer != RESOLVER_HIT ||
            clock_ms() > e->until_ms + KEEP_STALE_MS) {
            e->answer = answer;
            e->addr = addr;
        }
        e->waiting = false;
        e->slow = clock_ms() - e->taken_ms > SLOW_MS;
        if (answer != RESOLVER_TROUBLE || e->answer != RESOLVER_HIT)
            e->until_ms = clock_ms() + (answer == RESOLVER_HIT ? KEEP_MS : KEEP_FAILURE_MS);
        uint64_t one = 1;
        if (write(r->event_fd, &one, sizeof one) < 0 && errno != EAGAIN)
            log_error("resolver cannot wake its sender: %s", strerror(errno));
    }
    return NULL;
}

struct resolver *resolver_new(int threads, int event_fd, const struct address_allow *allow)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    r->event_fd = event_fd;
    r->allow = allow;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop */
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    int started = 0;
    for (pthread_t t; started < threads && started < THREADS_MAX; started++)
        if (pthread_create(&t, &attr, thread_main, r))
            break;
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started == 0) {
        free(r);
        return NULL;
    }
    return r;
}

void resolver_free(struct resolver *r)
{
    /* The threads are detached and may be inside getaddrinfo; the process is about to end. */
    (void)r;
}

static struct entry *find(struct resolver *r, const char *host)
{
    struct entry *e = r->slots[hash(host)];
    while (e && strcmp(e->host, host) != 0)
        e = e->next;
    return e;
}

/* Old answers go when there are too many; one that is being looked up stays. */
static void evict(struct resolver *r, int64_t now_ms)
{
    for (size_t i = 0; i < SLOTS; i++)
        for (struct entry **at = &r->slots[i]; *at;) {
            struct entry *e = *at;
            if (e->waiting || e->until_ms > now_ms) {
                at = &e->next;
                continue;
            }
            *at = e->next;
            free(e);
            r->entries--;
        }
}

static struct entry *add(struct resolver *r, const char *host, int64_t now_ms)
{
    if (r->entries >= ENTRIES_MAX)
        evict(r, now_ms);
    if (r->entries >= ENTRIES_MAX)
        return NULL;
    struct entry *e = calloc(1, sizeof *e + strlen(host) + 1);
    if (!e)
        return NULL;
    memcpy(e->host, host, strlen(host) + 1);
    e->next = r->slots[hash(host)];
    r->slots[hash(host)] = e;
    r->entries++;
    return e;
}

static void ask(struct resolver *r, struct entry *e)
{
    struct queue *q = e->slow ? &r->slow : &r->fast;
    e->waiting = true;
    e->taken_ms = 0;
    e->next_todo = NULL;
    if (q->tail)
        q->tail->next_todo = e;
    else
        q->head = e;
    q->tail = e;
    pthread_cond_broadcast(&r->work);
}

enum resolver_answer resolver_get(struct resolver *r, const char *host, int64_t now_ms,
                                  struct sockaddr_storage *out)
{
    enum resolver_answer answer = RESOLVER_PENDING;
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, host);
    if (!e && !(e = add(r, host, now_ms))) {
        pthread_mutex_unlock(&r->lock);
        return RESOLVER_TROUBLE;
    }
    if (!e->waiting && e->until_ms <= now_ms)
        ask(r, e);
    bool fresh = !e->waiting;
    bool usable = e->answer == RESOLVER_HIT && e->until_ms && now_ms < e->until_ms + KEEP_STALE_MS;
    if (fresh || usable) {
        answer = e->answer;
        *out = e->addr;
    } else if (e->taken_ms && now_ms - e->taken_ms > GIVE_UP_MS) {
        answer = RESOLVER_TROUBLE;
    }
    pthread_mutex_unlock(&r->lock);
    return answer;
}
