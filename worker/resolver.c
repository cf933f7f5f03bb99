/*
 * See resolver.h. Owns the names: a table, the order in which they were last asked for, and what is known of each.
 * Must never give out an address the guard did not pass, nor one whose time is over. A crash loses a cache.
 */
#include "worker/resolver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "worker/lookups.h"
#include "worker/name_lines.h"

#define SLOTS 16384
#define EVICT_STEPS 64 /* names that are being looked up are passed over, so many at a time */

struct name {
    struct name *next;          /* in its slot */
    struct name *newer, *older; /* by last use */
    struct name_lines_place places[NAME_LINES_PLACES];
    bool waiting, under_way;
    int32_t project_id; /* on whose behalf it is being looked up */
    enum resolver_answer answer;
    int64_t until_ms;   /* what is known counts so long; 0: nothing is */
    int64_t refresh_ms; /* asked for after it: looked up again */
    union lookups_address *list;
    int count;
    unsigned turn;
    char host[];
};

struct resolver {
    struct resolver_owner owner;
    struct name_servers servers;
    struct lookups *lookups;
    struct name_lines *turns;
    struct name *slots[SLOTS];
    struct name *newest, *oldest;
    uint64_t seed;
    int64_t now_ms;
    bool news;
    struct resolver_counts counts;
};

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* FNV-1a from a secret start: tenants choose the names. */
static struct name **slot_of(struct resolver *r, const char *host)
{
    uint64_t h = r->seed;
    for (; *host; host++)
        h = (h ^ (unsigned char)*host) * 0x100000001b3;
    return &r->slots[(h ^ h >> 32) % SLOTS];
}

static struct name *find(struct resolver *r, const char *host)
{
    struct name *n = *slot_of(r, host);
    while (n && strcmp(n->host, host) != 0)
        n = n->next;
    return n;
}

static void unlink_use(struct resolver *r, struct name *n)
{
    *(n->newer ? &n->newer->older : &r->newest) = n->older;
    *(n->older ? &n->older->newer : &r->oldest) = n->newer;
    n->newer = n->older = NULL;
}

static void link_newest(struct resolver *r, struct name *n)
{
    n->newer = NULL;
    n->older = r->newest;
    *(r->newest ? &r->newest->newer : &r->oldest) = n;
    r->newest = n;
}

static void touch(struct resolver *r, struct name *n)
{
    if (n == r->newest)
        return;
    unlink_use(r, n);
    link_newest(r, n);
}

static bool in_use(const struct name *n)
{
    bool used = n->under_way;
    for (int i = 0; i < NAME_LINES_PLACES; i++)
        used = used || n->places[i].standing;
    return used;
}

static void drop(struct resolver *r, struct name *n)
{
    struct name **at = slot_of(r, n->host);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    unlink_use(r, n);
    free(n->list);
    free(n);
    r->counts.names--;
}

/* Makes room for one: the name that was not asked for the longest goes. */
static bool make_room(struct resolver *r)
{
    for (int i = 0; r->counts.names >= LIMIT_DNS_NAMES && i < EVICT_STEPS; i++) {
        struct name *n = r->oldest;
        if (in_use(n))
            touch(r, n);
        else
            drop(r, n);
    }
    return r->counts.names < LIMIT_DNS_NAMES;
}

static struct name *add(struct resolver *r, const char *host)
{
    size_t len = strlen(host) + 1;
    struct name *n = make_room(r) ? calloc(1, sizeof *n + len) : NULL;
    if (!n)
        return NULL;
    memcpy(n->host, host, len);
    for (int i = 0; i < NAME_LINES_PLACES; i++)
        n->places[i].name = n;
    struct name **slot = slot_of(r, host);
    n->next = *slot;
    *slot = n;
    link_newest(r, n);
    r->counts.names++;
    return n;
}

/* --- what becomes known ------------------------------------------------------------------------------------------- */

static int64_t keep_ms(const struct lookups_answer *a)
{
    if (a->answer == RESOLVER_NO_NAME)
        return LIMIT_DNS_NO_NAME_S * 1000;
    if (a->answer > RESOLVER_NO_NAME)
        return LIMIT_DNS_TROUBLE_S * 1000;
    int64_t s = a->ttl_s;
    return 1000 * (s < LIMIT_DNS_TTL_MIN_S   ? LIMIT_DNS_TTL_MIN_S
                   : s > LIMIT_DNS_TTL_MAX_S ? LIMIT_DNS_TTL_MAX_S
                                             : s);
}

static void forget(struct name *n)
{
    free(n->list);
    n->list = NULL;
    n->count = 0;
    n->until_ms = n->refresh_ms = 0;
}

static void learn(struct name *n, const struct lookups_answer *a, int64_t now_ms)
{
    bool trouble = a->answer > RESOLVER_NO_NAME;
    if (trouble && n->count && now_ms < n->until_ms) {
        int64_t again_ms = now_ms + LIMIT_DNS_TROUBLE_S * 1000; /* what is known still counts */
        n->refresh_ms = again_ms < n->until_ms ? again_ms : n->until_ms;
        return;
    }
    forget(n);
    n->answer = a->answer;
    n->until_ms = n->refresh_ms = now_ms + keep_ms(a);
    if (a->answer != RESOLVER_HIT)
        return;
    n->list = malloc((size_t)a->count * sizeof *n->list);
    if (!n->list) {
        n->answer = RESOLVER_SERVFAIL;
        return;
    }
    memcpy(n->list, a->list, (size_t)a->count * sizeof *n->list);
    n->count = a->count;
    n->refresh_ms -= keep_ms(a) / 4;
}

static void ended(void *arg, void *name, const struct lookups_answer *a)
{
    struct resolver *r = arg;
    struct name *n = name;
    n->under_way = false;
    r->news = true;
    r->counts.answers[a->answer]++;
    name_lines_end(r->turns, n->project_id);
    learn(n, a, r->now_ms);
}

/* --- who is looked up --------------------------------------------------------------------------------------------- */

static void begin(struct resolver *r, struct name *n, int32_t project_id)
{
    static const struct lookups_answer failed = {.answer = RESOLVER_SERVFAIL};
    n->waiting = false;
    n->under_way = true;
    n->project_id = project_id;
    r->counts.asked++;
    if (lookups_start(r->lookups, n->host, n, r->now_ms))
        ended(r, n, &failed);
}

static void begin_some(struct resolver *r)
{
    struct name_lines_place *place;
    while (lookups_count(r->lookups) < LIMIT_DNS_LOOKUPS && (place = name_lines_take(r->turns))) {
        struct name *n = place->name;
        if (n->waiting)
            begin(r, n, place->project_id);
        else /* it was begun from another project's line */
            name_lines_end(r->turns, place->project_id);
    }
}

/* Sees to it that it stands in the project's line. If that is full the caller asks again, and gets in some time. */
static void want(struct resolver *r, struct name *n, int32_t project_id)
{
    struct name_lines_place *place = NULL;
    for (int i = 0; i < NAME_LINES_PLACES; i++) {
        if (n->places[i].standing && n->places[i].project_id == project_id) {
            n->waiting = true;
            return;
        }
        if (!n->places[i].standing)
            place = &n->places[i];
    }
    if (place) {
        place->project_id = project_id;
        if (name_lines_join(r->turns, place))
            return;
    }
    n->waiting = true;
    begin_some(r);
}

/* --- the tour ----------------------------------------------------------------------------------------------------- */

static int read_servers(const char *text, struct name_servers *out)
{
    char err[160];
    if (name_servers_parse(text, out, err, sizeof err) == 0)
        return 0;
    log_error("dns_servers: %s", err);
    return -1;
}

static void watch(void *arg, int fd, unsigned events, bool known)
{
    struct resolver *r = arg;
    r->owner.watch(r->owner.arg, fd, events, known);
}

struct resolver *resolver_new(const char *servers, const struct address_allow *allow,
                              const struct resolver_owner *owner)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r) {
        log_error("no memory for the resolver");
        return NULL;
    }
    struct lookups_owner lookups_owner = {r, watch, ended};
    r->owner = *owner;
    (void)!getrandom(&r->seed, sizeof r->seed, 0);
    r->turns = name_lines_new(LIMIT_DNS_PROJECT_LOOKUPS, LIMIT_DNS_PROJECT_WAITING);
    r->lookups = lookups_new(&r->servers, allow, &lookups_owner);
    if (!r->turns || !r->lookups)
        log_error("no memory for the resolver");
    else if (read_servers(servers, &r->servers) == 0)
        return r;
    resolver_free(r);
    return NULL;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    lookups_free(r->lookups);
    while (r->newest)
        drop(r, r->newest);
    name_lines_free(r->turns);
    free(r);
}

int resolver_reload(struct resolver *r, const char *servers)
{
    struct name_servers fresh;
    if (read_servers(servers, &fresh))
        return -1;
    r->servers = fresh;
    for (struct name *n = r->newest; n; n = n->older)
        forget(n);
    return 0;
}

enum resolver_answer resolver_get(struct resolver *r, int32_t project_id, const char *host,
                                  int64_t now_ms, struct sockaddr_storage *out)
{
    struct name *n = find(r, host);
    r->now_ms = now_ms;
    if (!n && !(n = add(r, host)))
        return RESOLVER_PENDING;
    touch(r, n);
    if (!n->under_way && now_ms >= n->refresh_ms)
        want(r, n, project_id);
    if (now_ms >= n->until_ms)
        return RESOLVER_PENDING;
    r->counts.hits++;
    if (n->answer == RESOLVER_HIT) {
        const union lookups_address *a = &n->list[n->turn++ % (unsigned)n->count];
        memset(out, 0, sizeof *out);
        memcpy(out, a, sizeof *a);
    }
    return n->answer;
}

void resolver_ready(struct resolver *r, int fd, bool readable, bool writable)
{
    lookups_ready(r->lookups, fd, readable, writable);
}

int64_t resolver_tick(struct resolver *r, int64_t now_ms)
{
    r->now_ms = now_ms;
    lookups_tick(r->lookups, now_ms);
    begin_some(r);
    int64_t next = lookups_tick(r->lookups, now_ms);
    if (!r->news)
        return next;
    r->news = false;
    r->owner.answered(r->owner.arg);
    return now_ms;
}

void resolver_count(const struct resolver *r, struct resolver_counts *out)
{
    *out = r->counts;
    out->under_way = lookups_count(r->lookups);
}
