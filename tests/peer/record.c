/*
 * Owns the ring of recorded requests. Must never hold more than RECORD_RING requests or
 * RECORD_BYTES. Memory only.
 */
#include "tests/peer/record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One allocation: method, target, head and body follow the struct. */
struct record {
    uint64_t seq;
    uint64_t at_ms;
    unsigned connection;
    struct span method, target, head, body;
};

static struct record *ring[RECORD_RING];
static uint64_t next_seq;
static uint64_t first_seq; /* the oldest that is kept */
static size_t held;

static size_t size_of(const struct record *rec)
{
    return sizeof(*rec) + rec->method.len + rec->target.len + rec->head.len + rec->body.len;
}

static void drop_oldest(void)
{
    struct record **at = &ring[first_seq++ % RECORD_RING];
    held -= size_of(*at);
    free(*at);
    *at = NULL;
}

static struct span put(char **to, struct span from)
{
    struct span copy = {*to, from.len};
    if (from.len)
        memcpy(*to, from.p, from.len);
    *to += from.len;
    return copy;
}

static struct record *copy_of(const struct request *r)
{
    size_t size = r->method.len + r->target.len + r->head.len + r->body.len;
    struct record *rec = malloc(sizeof(*rec) + size);
    if (!rec)
        return NULL;
    char *to = (char *)(rec + 1);
    rec->method = put(&to, r->method);
    rec->target = put(&to, r->target);
    rec->head = put(&to, r->head);
    rec->body = put(&to, r->body);
    return rec;
}

void record_keep(const struct request *r, unsigned connection)
{
    struct record *rec = copy_of(r);
    struct timespec now;
    if (!rec)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    rec->at_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    rec->connection = connection;
    held += size_of(rec);
    while (first_seq < next_seq && (next_seq - first_seq == RECORD_RING || held > RECORD_BYTES))
        drop_oldest();
    rec->seq = next_seq;
    ring[next_seq++ % RECORD_RING] = rec;
}

static void headers_json(struct span head, struct bytes *out)
{
    struct span name, value;
    const char *sep = "";
    while (request_next_header(&head, &name, &value)) {
        (void)bytes_printf(out, "%s[", sep);
        (void)bytes_json(out, name);
        (void)bytes_text(out, ",");
        (void)bytes_json(out, value);
        (void)bytes_text(out, "]");
        sep = ",";
    }
}

static void record_json(const struct record *rec, struct bytes *out)
{
    (void)bytes_printf(out, "{\"seq\":%llu,\"atMs\":%llu,\"connection\":%u,\"method\":",
                       (unsigned long long)rec->seq, (unsigned long long)rec->at_ms,
                       rec->connection);
    (void)bytes_json(out, rec->method);
    (void)bytes_text(out, ",\"path\":");
    (void)bytes_json(out, rec->target);
    (void)bytes_text(out, ",\"headers\":[");
    headers_json(rec->head, out);
    (void)bytes_text(out, "],\"body\":\"");
    (void)bytes_base64(out, rec->body);
    (void)bytes_text(out, "\"}");
}

/* Going back from the newest: where the last `limit` matches begin. */
static uint64_t start_of(struct span prefix, unsigned limit)
{
    uint64_t seq = next_seq, start = next_seq;
    while (seq > first_seq && limit > 0) {
        seq--;
        if (!span_starts(ring[seq % RECORD_RING]->target, prefix))
            continue;
        start = seq;
        limit--;
    }
    return start;
}

int record_list(struct span prefix, unsigned limit, struct bytes *out)
{
    const char *sep = "";
    bool truncated = false;
    (void)bytes_text(out, "{\"requests\":[");
    for (uint64_t seq = start_of(prefix, limit); seq < next_seq; seq++) {
        const struct record *rec = ring[seq % RECORD_RING];
        if (!span_starts(rec->target, prefix))
            continue;
        truncated = out->len + size_of(rec) * 2 > RECORD_ANSWER;
        if (truncated)
            break;
        (void)bytes_text(out, sep);
        record_json(rec, out);
        sep = ",";
    }
    return bytes_printf(out, "],\"truncated\":%s}\n", truncated ? "true" : "false");
}

void record_reset(void)
{
    while (first_seq < next_seq)
        drop_oldest();
}
