/*
 * See page.h. Owns the mapping. Slots are plain memory: the supervisor reads them only after the sender was reaped, so
 * there is nobody to race with.
 */
#include "worker/page.h"

#include <string.h>
#include <sys/mman.h>

static const struct uuid zero;

struct page *page_map(void)
{
    void *p =
        mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool same(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

struct page_suspect *page_suspect(struct page_sender *s, const struct uuid *delivery)
{
    for (uint32_t i = 0; i < s->nsuspects; i++)
        if (same(&s->suspects[i].delivery, delivery))
            return &s->suspects[i];
    return NULL;
}

static void suspect(struct page_sender *s, const struct uuid *delivery)
{
    struct page_suspect *known = page_suspect(s, delivery);
    if (!known && s->nsuspects < LIMIT_INFLIGHT) {
        known = &s->suspects[s->nsuspects++];
        *known = (struct page_suspect){.delivery = *delivery};
    }
    if (known && same(&s->alone, delivery))
        known->kills++;
}

void page_sender_died(struct page_sender *s, bool fault)
{
    for (unsigned i = 0; i < LIMIT_INFLIGHT; i++) {
        if (fault && !same(&s->inflight[i], &zero))
            suspect(s, &s->inflight[i]);
        s->inflight[i] = zero;
    }
    s->alone = zero;
    s->dead_owner = s->owner;
    s->owner = zero;
}

void page_begin(struct page_sender *s, unsigned slot, const struct uuid *delivery)
{
    s->inflight[slot] = *delivery;
}

void page_end(struct page_sender *s, unsigned slot)
{
    s->inflight[slot] = zero;
}

void page_cleared(struct page_sender *s, struct page_suspect *suspect_)
{
    if (same(&s->alone, &suspect_->delivery))
        s->alone = zero;
    *suspect_ = s->suspects[--s->nsuspects];
}
