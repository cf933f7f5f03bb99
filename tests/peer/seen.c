/*
 * Owns the tables of paths and ids: dense arrays with an open-addressing index each, so that
 * growing moves one array of small entries and a million ids cost 56 MiB. Must never grow past
 * max_ids and SEEN_PATHS. Memory only: a restart forgets.
 */
#include "tests/peer/seen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_BYTES 32u
#define PATH_SLOTS (SEEN_PATHS * 2)
#define SUCCEEDED 0x80000000u
#define STAMP_WINDOW 4096u /* the stamp is searched in the first bytes only */

struct path {
    char *name;
    size_t len;
    uint64_t hash;
    uint64_t requests;
    uint64_t without_id;
    uint64_t lost;
    uint64_t deliveries;
    uint64_t delivered;
    uint64_t after_success;
    struct hist *late;
};

struct entry {
    uint64_t id[ID_BYTES / 8]; /* longer ids are folded */
    uint32_t path;
    uint32_t times; /* with SUCCEEDED */
};

static struct path *paths; /* 0 is the one that shares */
static uint32_t path_count;
static uint32_t *path_index;

static struct entry *entries; /* 0 is unused */
static uint32_t entry_count;
static uint32_t entry_room;
static uint32_t entry_limit;
static uint32_t *entry_index;
static uint32_t entry_slots;

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdull;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ull;
    return h ^ (h >> 33);
}

/* Eight bytes at a time; zero padding is safe because the length is in the seed. */
static uint64_t hash_bytes(const char *p, size_t len)
{
    uint64_t h = 0x9e3779b97f4a7c15ull ^ len;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, p + i, len - i < 8 ? len - i : 8);
        h = mix(h ^ word);
    }
    return h;
}

static int ids_make(void)
{
    entry_room = 1u << 16;
    entry_slots = 1u << 18;
    entry_count = 0;
    entries = malloc((size_t)entry_room * sizeof(*entries));
    entry_index = calloc(entry_slots, sizeof(*entry_index));
    return entries && entry_index ? 0 : -1;
}

int seen_init(uint32_t max_ids)
{
    entry_limit = max_ids;
    path_count = 0;
    paths = calloc(SEEN_PATHS, sizeof(*paths));
    path_index = calloc(PATH_SLOTS, sizeof(*path_index));
    if (!paths || !path_index || ids_make() < 0)
        return -1;
    paths[0].name = strdup("");
    return paths[0].name ? 0 : -1;
}

void seen_release(void)
{
    for (uint32_t i = 0; paths && i <= path_count; i++) {
        free(paths[i].name);
        free(paths[i].late);
    }
    free(paths);
    free(path_index);
    free(entries);
    free(entry_index);
}

void seen_reset(void)
{
    seen_release();
    if (seen_init(entry_limit) < 0)
        abort();
}

static uint32_t path_add(struct span name, uint64_t hash, uint32_t *slot)
{
    if (path_count + 1 == SEEN_PATHS)
        return 0;
    char *copy = malloc(name.len + 1);
    if (!copy)
        return 0;
    memcpy(copy, name.p, name.len);
    copy[name.len] = '\0';
    paths[++path_count] = (struct path){.name = copy, .len = name.len, .hash = hash};
    *slot = path_count;
    return path_count;
}

static uint32_t path_find(struct span name)
{
    if (name.len > 256)
        name.len = 256;
    uint64_t hash = hash_bytes(name.p, name.len);
    for (uint32_t i = (uint32_t)hash % PATH_SLOTS;; i = (i + 1) % PATH_SLOTS) {
        uint32_t at = path_index[i];
        if (at == 0)
            return path_add(name, hash, &path_index[i]);
        if (paths[at].hash == hash && paths[at].len == name.len &&
            memcmp(paths[at].name, name.p, name.len) == 0)
            return at;
    }
}

static void fold_id(struct span id, uint64_t to[ID_BYTES / 8])
{
    memset(to, 0, ID_BYTES);
    memcpy(to, id.p, id.len < ID_BYTES ? id.len : ID_BYTES);
    for (size_t i = ID_BYTES; i < id.len; i += ID_BYTES)
        to[3] ^= hash_bytes(id.p + i, id.len - i < ID_BYTES ? id.len - i : ID_BYTES);
}

static uint32_t entry_hash(const struct entry *e)
{
    uint64_t h = e->path;
    for (size_t i = 0; i < ID_BYTES / 8; i++)
        h = mix(h ^ e->id[i]);
    return (uint32_t)h;
}

static int index_grow(void)
{
    uint32_t slots = entry_slots * 2;
    uint32_t *bigger = calloc(slots, sizeof(*bigger));
    if (!bigger)
        return -1;
    for (uint32_t at = 1; at <= entry_count; at++) {
        uint32_t i = entry_hash(&entries[at]) & (slots - 1);
        while (bigger[i])
            i = (i + 1) & (slots - 1);
        bigger[i] = at;
    }
    free(entry_index);
    entry_index = bigger;
    entry_slots = slots;
    return 0;
}

static int entries_grow(void)
{
    if (entry_count == entry_limit)
        return -1;
    if (entry_count + 1 == entry_room) {
        struct entry *bigger = realloc(entries, (size_t)entry_room * 2 * sizeof(*entries));
        if (!bigger)
            return -1;
        entries = bigger;
        entry_room *= 2;
    }
    return entry_count > entry_slots / 2 ? index_grow() : 0;
}

/* The entry of this pair, made if need be; 0 when there is no room. */
static uint32_t entry_find(const struct entry *wanted)
{
    if (entries_grow() < 0)
        return 0;
    for (uint32_t i = entry_hash(wanted) & (entry_slots - 1);; i = (i + 1) & (entry_slots - 1)) {
        uint32_t at = entry_index[i];
        if (at == 0) {
            entries[++entry_count] = *wanted;
            return entry_index[i] = entry_count;
        }
        if (entries[at].path == wanted->path && memcmp(entries[at].id, wanted->id, ID_BYTES) == 0)
            return at;
    }
}

static void note_stamp(struct path *path, struct span body)
{
    static const char name[] = "\"sentAtNs\":";
    struct timespec now;
    const char *at =
        memmem(body.p, body.len < STAMP_WINDOW ? body.len : STAMP_WINDOW, name, sizeof(name) - 1);
    if (!at)
        return;
    struct span digits = span_skip(body, (size_t)(at - body.p) + sizeof(name) - 1);
    unsigned long sent = span_number(digits, 0, (unsigned long)INT64_MAX);
    if (sent == 0 || (!path->late && !(path->late = calloc(1, sizeof(*path->late)))))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    hist_add(path->late, ns > sent ? (ns - sent) / 1000 : 0);
}

struct seen_mark seen_note(struct span path_name, struct span id, struct span body)
{
    struct entry wanted = {.path = path_find(path_name)};
    struct path *path = &paths[wanted.path];
    struct seen_mark mark = {0};
    path->requests++;
    if (id.len) {
        fold_id(id, wanted.id);
        mark.entry = entry_find(&wanted);
        path->lost += mark.entry == 0;
    } else {
        path->without_id++;
    }
    if (mark.entry) {
        struct entry *e = &entries[mark.entry];
        mark.before = e->times & ~SUCCEEDED;
        path->deliveries += mark.before == 0;
        path->after_success += (e->times & SUCCEEDED) != 0;
        e->times++;
    }
    if (mark.before == 0)
        note_stamp(path, body);
    return mark;
}

void seen_answered(struct seen_mark mark, int status)
{
    if (mark.entry == 0 || status < 200 || status > 299)
        return;
    struct entry *e = &entries[mark.entry];
    paths[e->path].delivered += (e->times & SUCCEEDED) == 0;
    e->times |= SUCCEEDED;
}

static bool path_matches(uint32_t at, struct span prefix)
{
    return span_starts((struct span){paths[at].name, paths[at].len}, prefix);
}

/* Ids that occur under several paths count once: a second set, of the ids alone, only for this. */
static uint64_t count_distinct(struct span prefix)
{
    uint32_t *set = calloc(entry_slots, sizeof(*set));
    uint64_t n = 0;
    for (uint32_t at = 1; set && at <= entry_count; at++) {
        if (!path_matches(entries[at].path, prefix))
            continue;
        struct entry alone = entries[at];
        alone.path = 0;
        uint32_t i = entry_hash(&alone) & (entry_slots - 1);
        while (set[i] && memcmp(entries[set[i]].id, alone.id, ID_BYTES) != 0)
            i = (i + 1) & (entry_slots - 1);
        n += set[i] == 0;
        set[i] = set[i] ? set[i] : at;
    }
    free(set);
    return n;
}

void seen_count(struct span prefix, bool distinct_ids, struct seen_totals *t)
{
    *t = (struct seen_totals){0};
    for (uint32_t i = 0; i <= path_count; i++) {
        const struct path *p = &paths[i];
        if (!path_matches(i, prefix))
            continue;
        t->requests += p->requests;
        t->without_id += p->without_id;
        t->lost += p->lost;
        t->deliveries += p->deliveries;
        t->delivered += p->delivered;
        t->after_success += p->after_success;
    }
    t->duplicates = t->requests - t->without_id - t->lost - t->deliveries;
    if (distinct_ids)
        t->distinct_ids = count_distinct(prefix);
}

void seen_latency(struct span prefix, struct hist *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (uint32_t i = 0; i <= path_count; i++)
        if (paths[i].late && path_matches(i, prefix))
            hist_merge(sum, paths[i].late);
}

uint32_t seen_list(struct span prefix, uint32_t after, uint32_t limit, struct bytes *out)
{
    uint32_t at = after + 1, written = 0;
    (void)bytes_text(out, "[");
    for (; at <= entry_count && written < limit; at++) {
        const struct entry *e = &entries[at];
        const char *id = (const char *)e->id;
        if (!path_matches(e->path, prefix))
            continue;
        if (bytes_text(out, written++ ? ",[" : "[") < 0 ||
            bytes_json(out, (struct span){id, strnlen(id, ID_BYTES)}) < 0 ||
            bytes_printf(out, ",%u,%s]", e->times & ~SUCCEEDED,
                         e->times & SUCCEEDED ? "true" : "false") < 0)
            break;
    }
    (void)bytes_text(out, "]");
    return at <= entry_count ? at - 1 : 0;
}
