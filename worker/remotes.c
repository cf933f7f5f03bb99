/* See remotes.h. Owns the table, by project and address; memory only, so two senders have a cap each. */
#include "worker/remotes.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "worker/line.h"

#define SLOTS 1024
#define REMOTES_MAX 20000 /* beyond it new ones are not capped: better than to refuse them */

struct remote {
    struct remote *next;
    int32_t project_id;
    unsigned char address[16]; /* IPv4 as mapped IPv6 */
    int inflight;
    struct bucket rate;
    struct line line;
};

struct remotes {
    struct remotes_rules rules;
    const struct address_allow *allow;
    struct remote *slots[SLOTS];
    int count;
    int recalled; /* slot to begin with next */
};

struct remotes *remotes_new(const struct remotes_rules *rules, const struct address_allow *allow)
{
    struct remotes *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->rules = *rules;
    t->allow = allow;
    return t;
}

void remotes_free(struct remotes *t)
{
    for (int i = 0; t && i < SLOTS; i++)
        while (t->slots[i]) {
            struct remote *r = t->slots[i];
            t->slots[i] = r->next;
            free(r);
        }
    free(t);
}

void remotes_set_rules(struct remotes *t, const struct remotes_rules *rules)
{
    t->rules = *rules;
}

static void address_bytes(const struct sockaddr_storage *addr, unsigned char out[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (addr->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
        return;
    }
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
}

static size_t slot(int32_t project_id, const unsigned char address[16])
{
    uint32_t h = (uint32_t)project_id * 2654435761u;
    for (int i = 0; i < 16; i++)
        h = (h ^ address[i]) * 16777619u;
    return h % SLOTS;
}

static struct remote *get(struct remotes *t, int32_t project_id, const unsigned char address[16])
{
    size_t i = slot(project_id, address);
    struct remote *r = t->slots[i];
    while (r && (r->project_id != project_id || memcmp(r->address, address, 16) != 0))
        r = r->next;
    if (r || t->count >= REMOTES_MAX || !(r = calloc(1, sizeof *r)))
        return r;
    r->project_id = project_id;
    memcpy(r->address, address, 16);
    r->next = t->slots[i];
    t->slots[i] = r;
    t->count++;
    return r;
}

static bool capped(const struct remotes *t, const struct sockaddr_storage *addr)
{
    return (t->rules.concurrency > 0 || t->rules.per_second > 0) &&
           (t->rules.allowed_too || !address_guard_listed((const struct sockaddr *)addr, t->allow));
}

static bool has_room(const struct remotes *t, const struct remote *r, int64_t now_ms)
{
    return (t->rules.concurrency <= 0 || r->inflight < t->rules.concurrency) &&
           bucket_has(&r->rate, t->rules.per_second, now_ms);
}

bool remotes_may_send(struct remotes *t, int32_t project_id, const struct sockaddr_storage *addr,
                      int64_t now_ms, struct remote **out)
{
    unsigned char address[16];
    *out = NULL;
    if (!capped(t, addr))
        return true;
    address_bytes(addr, address);
    struct remote *r = *out = get(t, project_id, address);
    return !r || has_room(t, r, now_ms);
}

void remotes_begin(struct remotes *t, struct remote *r, int64_t now_ms)
{
    if (!r)
        return;
    r->inflight++;
    bucket_take(&r->rate, t->rules.per_second, now_ms);
}

void remotes_end(struct remotes *t, struct remote *r)
{
    (void)t;
    if (r)
        r->inflight--;
}

void remotes_wait(struct remote *r, struct destination *d)
{
    line_join(&r->line, d, PLACE_ASIDE);
}

struct destination *remotes_recall(struct remotes *t, struct remote *r, int64_t now_ms)
{
    return r && r->line.head && has_room(t, r, now_ms) ? line_take(&r->line) : NULL;
}

struct destination *remotes_recall_any(struct remotes *t, int64_t now_ms)
{
    for (int i = 0; i < SLOTS; i++, t->recalled = (t->recalled + 1) % SLOTS)
        for (struct remote *r = t->slots[t->recalled]; r; r = r->next) {
            struct destination *d = remotes_recall(t, r, now_ms);
            if (d)
                return d;
        }
    return NULL;
}

void remotes_sweep(struct remotes *t, int64_t now_ms)
{
    for (int i = 0; i < SLOTS; i++)
        for (struct remote **at = &t->slots[i]; *at;) {
            struct remote *r = *at;
            /* a bucket is full a second after it was taken from last */
            if (r->inflight || r->line.head || now_ms - r->rate.at_ms < 1000) {
                at = &r->next;
                continue;
            }
            *at = r->next;
            free(r);
            t->count--;
        }
}
