/*
 * See page.h. Owns the mapping. Must never block and never be wrong by more than a torn sum: readers add slots while
 * their owners count. A crash of a child keeps what it counted.
 */
#include "fcgi/page.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

/* Upper bounds of the latency histogram, microseconds. */
static const int64_t bounds_us[] = {1000,   2500,   5000,   10000,   25000,  50000,
                                    100000, 250000, 500000, 1000000, 5000000};
#define NBOUNDS (sizeof bounds_us / sizeof *bounds_us)

enum event_count {
    EVENTS_ACCEPTED,
    EVENTS_DUPLICATE,
    EVENTS_UNROUTABLE,
    EVENTS_REJECTED,
    EVENT_COUNTS
};
static const char *const event_names[EVENT_COUNTS] = {"accepted", "duplicate", "unroutable",
                                                      "rejected"};

struct slot {
    _Alignas(64) _Atomic uint64_t by_class[6]; /* [2]: 2xx */
    _Atomic uint64_t events[EVENT_COUNTS];
    _Atomic uint64_t schema_rejected;
    _Atomic uint64_t latency[NBOUNDS + 1];
    _Atomic uint64_t latency_sum_us;
    _Atomic int hashing;
    _Atomic int reading; /* the project that a long read is for; 0: none */
};

static struct slot *slots;
static int nslots;
static struct slot *mine;

int page_init(int n)
{
    void *p = mmap(NULL, (size_t)n * sizeof *slots, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    slots = p;
    nslots = n;
    return 0;
}

void page_use(int slot)
{
    mine = &slots[slot];
    atomic_store(&mine->hashing, 0);
    atomic_store(&mine->reading, 0);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void page_count_request(int status, int64_t us)
{
    size_t b = 0;
    while (b < NBOUNDS && us > bounds_us[b])
        b++;
    add(&mine->by_class[status >= 100 && status < 600 ? status / 100 : 5], 1);
    add(&mine->latency[b], 1);
    add(&mine->latency_sum_us, us > 0 ? (uint64_t)us : 0);
}

void page_count_events(long accepted, long duplicate, long unroutable, long rejected)
{
    add(&mine->events[EVENTS_ACCEPTED], (uint64_t)accepted);
    add(&mine->events[EVENTS_DUPLICATE], (uint64_t)duplicate);
    add(&mine->events[EVENTS_UNROUTABLE], (uint64_t)unroutable);
    add(&mine->events[EVENTS_REJECTED], (uint64_t)rejected);
}

void page_count_schema_rejected(void)
{
    add(&mine->schema_rejected, 1);
}

/* Takes the place first and counts then: two at once may both be refused, but never both be one too many. */
bool page_hash_begin(int most)
{
    int n = 0;
    atomic_store(&mine->hashing, 1);
    for (int i = 0; i < nslots; i++)
        n += atomic_load(&slots[i].hashing);
    if (n > most)
        atomic_store(&mine->hashing, 0);
    return n <= most;
}

void page_hash_end(void)
{
    atomic_store(&mine->hashing, 0);
}

/* Likewise. */
bool page_read_begin(int project, int most)
{
    int n = 0, own = 0;
    atomic_store(&mine->reading, project);
    for (int i = 0; i < nslots; i++) {
        int reads_for = atomic_load(&slots[i].reading);
        n += reads_for != 0;
        own += reads_for == project;
    }
    if (n > most || own > 1)
        atomic_store(&mine->reading, 0);
    return n <= most && own <= 1;
}

void page_read_end(void)
{
    atomic_store(&mine->reading, 0);
}

static unsigned long long sum(size_t offset)
{
    uint64_t total = 0;
    for (int i = 0; i < nslots; i++)
        total += atomic_load_explicit((_Atomic uint64_t *)(void *)((char *)&slots[i] + offset),
                                      memory_order_relaxed);
    return total;
}

static void requests(struct buf *out)
{
    buf_add_str(out, "# HELP dlo_requests_total Requests answered, by status class.\n# TYPE "
                     "dlo_requests_total counter\n");
    for (size_t i = 2; i < 6; i++)
        buf_printf(out, "dlo_requests_total{class=\"%zuxx\"} %llu\n", i,
                   sum(offsetof(struct slot, by_class) + i * sizeof(uint64_t)));
}

static void events(struct buf *out)
{
    buf_add_str(out, "# HELP dlo_events_total Events submitted, by what became of them.\n# TYPE "
                     "dlo_events_total counter\n");
    for (size_t i = 0; i < EVENT_COUNTS; i++)
        buf_printf(out, "dlo_events_total{status=\"%s\"} %llu\n", event_names[i],
                   sum(offsetof(struct slot, events) + i * sizeof(uint64_t)));
    buf_printf(
        out,
        "# HELP dlo_events_schema_rejected_total Events refused by the schema of their type.\n"
        "# TYPE dlo_events_schema_rejected_total counter\n"
        "dlo_events_schema_rejected_total %llu\n",
        sum(offsetof(struct slot, schema_rejected)));
}

static void latency(struct buf *out)
{
    unsigned long long seen = 0;
    buf_add_str(out, "# HELP dlo_request_duration_seconds Time to answer.\n# TYPE "
                     "dlo_request_duration_seconds histogram\n");
    for (size_t i = 0; i <= NBOUNDS; i++) {
        seen += sum(offsetof(struct slot, latency) + i * sizeof(uint64_t));
        if (i < NBOUNDS)
            buf_printf(out, "dlo_request_duration_seconds_bucket{le=\"%g\"} %llu\n",
                       (double)bounds_us[i] / 1e6, seen);
    }
    buf_printf(out, "dlo_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n", seen);
    buf_printf(out, "dlo_request_duration_seconds_sum %g\n",
               (double)sum(offsetof(struct slot, latency_sum_us)) / 1e6);
    buf_printf(out, "dlo_request_duration_seconds_count %llu\n", seen);
}

void page_metrics(struct buf *out)
{
    requests(out);
    events(out);
    latency(out);
}
