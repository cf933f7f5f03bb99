/*
 * See reader.h. Owns the poll's state, the ghosts, and what was asked but not answered. Must never advance the snapshot
 * except by a poll that covered every shard it holds. A crash loses nothing: a takeover scan finds every row.
 */
#include "worker/reader.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/log.h"
#include "common/redact.h"
#include "worker/clock.h"
#include "worker_sql.h"

#define POLL_MS 1000
#define HOLDS_MS 1000
#define PROMOTE_MS 1000
#define SETTLE_MS                                                                                  \
    150 /* senders that start together see each other before the first takes all shards */
#define HUNGRY_MS 500 /* until the next renewal, with fewer shards than our share */
#define PAUSE_MS 200  /* after a statement that failed */
#define GONE_MAX 64
#define SETTINGS_PER_READ 256
#define XIP_MAX 4096

struct reader {
    struct reader_set set;
    struct reader_owner owner;
    bool joined, stopping, left;
    bool poll_now;
    int64_t poll_at_ms, renew_at_ms, promote_at_ms, holds_at_ms, pause_until_ms;
    char xmax[24];
    struct buf xip; /* as an array literal: xid8 has no binary form worth writing */
    bool has_snapshot;
    bool fresh[LIMIT_SHARDS]; /* leased, not scanned yet */
    bool heads_under_way;
    struct delivery *ghosts;
    int32_t gone[GONE_MAX];
    int ngone;
    size_t settings_wanted;         /* destinations that are not known */
    int32_t drawers[LIMIT_DRAWERS]; /* where sources were found lately */
    unsigned next_drawer;
    unsigned turn;           /* where the next heads query begins among the destinations */
    int released;            /* shard being released, or -1 */
    int32_t payload_webhook; /* whose head's payload is being fetched; 0: none */
    int64_t payload_pos;
    struct pg_array shards, ints, ints2, longs;
    struct buf text;
};

/* --- lifecycle ---------------------------------------------------------------------------------------------------- */

struct reader *reader_new(const struct reader_set *set, const struct reader_owner *owner)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->set = *set;
    r->owner = *owner;
    r->released = -1;
    buf_init(&r->xip, XIP_MAX * 24);
    pg_array_init(&r->shards, PG_INT2, 1 << 20);
    pg_array_init(&r->ints, PG_INT4, 1 << 20);
    pg_array_init(&r->ints2, PG_INT4, 1 << 20);
    pg_array_init(&r->longs, PG_INT8, 1 << 20);
    buf_init(&r->text, 1 << 20);
    return r;
}

static void bury_ghosts(struct reader *r)
{
    while (r->ghosts) {
        struct delivery *d = r->ghosts;
        r->ghosts = d->next;
        delivery_table_remove(r->set.held, d);
        delivery_free(d);
    }
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    bury_ghosts(r);
    buf_release(&r->xip);
    pg_array_release(&r->shards);
    pg_array_release(&r->ints);
    pg_array_release(&r->ints2);
    pg_array_release(&r->longs);
    buf_release(&r->text);
    free(r);
}

void reader_wake(struct reader *r)
{
    r->poll_now = true;
}

void reader_retry_in(struct reader *r, int64_t now_ms, int64_t ms)
{
    if (now_ms + ms < r->promote_at_ms)
        r->promote_at_ms = now_ms + ms;
}

void reader_webhook_gone(struct reader *r, int32_t webhook_id)
{
    if (r->ngone < GONE_MAX)
        r->gone[r->ngone++] = webhook_id;
}

void reader_stop(struct reader *r)
{
    r->stopping = true;
    leases_drain_all(r->set.leases);
    r->renew_at_ms = 0;
}

bool reader_left(const struct reader *r)
{
    return r->left;
}

void reader_release_row(struct reader *r, struct delivery *row)
{
    if (r->heads_under_way) {
        row->state = DELIVERY_GHOST;
        row->dest = NULL;
        row->next = r->ghosts;
        r->ghosts = row;
        return;
    }
    delivery_table_remove(r->set.held, row);
    delivery_free(row);
}

/* A heads query that brought no answer: what it was to read is still to be read. */
static void not_reading(struct destination *d, void *arg)
{
    (void)arg;
    d->backlog = d->backlog || d->reading;
    d->reading = false;
}

/* What was asked is asked again; leases are kept while their time lasts, and the next poll goes on from the snapshot. */
void reader_lost(struct reader *r)
{
    r->heads_under_way = false;
    r->payload_webhook = 0;
    r->released = -1;
    destinations_each(r->set.destinations, not_reading, NULL);
    bury_ghosts(r);
    r->renew_at_ms = 0;
    r->poll_now = true;
}

/* --- sending a statement ------------------------------------------------------------------------------------------ */

#define ARGS_MAX 16

struct args {
    int n;
    const char *values[ARGS_MAX];
    int lengths[ARGS_MAX];
    int formats[ARGS_MAX];
};

static void arg_bytes(struct args *a, const void *p, size_t n)
{
    a->values[a->n] = p;
    a->lengths[a->n] = (int)n;
    a->formats[a->n++] = 1;
}

static void arg_text(struct args *a, const char *s)
{
    a->values[a->n] = s;
    a->lengths[a->n] = 0;
    a->formats[a->n++] = 0;
}

static void arg_array(struct args *a, const struct pg_array *array)
{
    arg_bytes(a, array->bytes.data, array->bytes.len);
}

static int ask(struct reader *r, struct pipe *pipe, enum worker_sql which, const struct args *a,
               bool binary, pipe_answer *answer)
{
    return pipe_send(pipe, &worker_sql[which], a->n, a->values, a->lengths, a->formats, binary,
                     answer, r);
}

/* True if the answer is good. A failure is logged and pauses the reader; a lost connection is told by reader_lost. */
static bool good(struct reader *r, const PGresult *res, const char *what)
{
    ExecStatusType s = res ? PQresultStatus(res) : PGRES_FATAL_ERROR;
    if (s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK)
        return true;
    if (res)
        log_error("statement %s failed: sqlstate=%s %s", what,
                  PQresultErrorField(res, PG_DIAG_SQLSTATE),
                  PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
    r->pause_until_ms = clock_ms() + PAUSE_MS;
    return false;
}

/* --- leases ------------------------------------------------------------------------------------------------------- */

static void joined(void *arg, PGresult *res)
{
    struct reader *r = arg;
    r->joined = good(r, res, "sender_join");
    r->renew_at_ms = clock_ms() + SETTLE_MS;
}

static int join(struct reader *r, struct pipe *pipe)
{
    char host[256] = "", pid[16];
    struct args a = {0};
    gethostname(host, sizeof host - 1);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    arg_text(&a, host);
    arg_text(&a, pid);
    return ask(r, pipe, WORKER_SQL_SENDER_JOIN, &a, false, joined);
}

static void forget_shard(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (r->set.leases->state[d->shard] == LEASE_NONE && d->queued)
        destination_forget_queue(d, r->set.held);
}

static bool shard_lost(struct destination *d, void *arg)
{
    struct reader *r = arg;
    return r->set.leases->state[d->shard] == LEASE_NONE;
}

static void drop_lost_shards(struct reader *r)
{
    destinations_each(r->set.destinations, forget_shard, r);
    destinations_drop(r->set.destinations, shard_lost, r);
}

static void renewed(void *arg, PGresult *res)
{
    struct reader *r = arg;
    struct leases *l = r->set.leases;
    if (!good(r, res, "lease_renew"))
        return;
    bool kept[LIMIT_SHARDS] = {false};
    int64_t alive = 1;
    int lost = 0, taken = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        alive = strtoll(PQgetvalue(res, i, 3), NULL, 10);
        if (PQgetisnull(res, i, 0))
            continue;
        int shard = (int)strtol(PQgetvalue(res, i, 0), NULL, 10);
        bool fresh = PQgetvalue(res, i, 2)[0] == 't';
        kept[shard] = true;
        l->epoch[shard] = strtoll(PQgetvalue(res, i, 1), NULL, 10);
        if (fresh) {
            l->state[shard] = r->stopping ? LEASE_DRAINING : LEASE_HELD;
            r->fresh[shard] = true;
            taken++;
        }
    }
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (l->state[i] != LEASE_NONE && !kept[i]) {
            l->state[i] = LEASE_NONE;
            lost++;
        }
    l->until_ms = l->asked_at_ms + LIMIT_LEASE_MS - 2000;
    if (lost)
        log_warn("lost %d shards: their leases had run out", lost);
    if (taken)
        log_info("took %d shards, %lld senders are alive", taken, (long long)alive);
    drop_lost_shards(r);
    if (r->stopping)
        return;
    leases_share(l, alive);
    if (leases_count(l, LEASE_HELD) < LIMIT_SHARDS / (alive > 0 ? alive : 1))
        r->renew_at_ms = clock_ms() + HUNGRY_MS;
}

static int renew(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    static const struct uuid zero;
    struct args a = {0};
    char length[16];
    pg_array_clear(&r->shards);
    pg_array_clear(&r->longs);
    leases_arrays(r->set.leases, &r->shards, &r->longs);
    buf_clear(&r->text);
    r->owner.counters(r->owner.arg, &r->text);
    snprintf(length, sizeof length, "%d", LIMIT_LEASE_MS);
    arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    arg_array(&a, &r->shards);
    arg_array(&a, &r->longs);
    if (memcmp(r->set.dead_owner, &zero, sizeof zero) == 0)
        arg_text(&a, NULL);
    else
        arg_bytes(&a, r->set.dead_owner->b, sizeof r->set.dead_owner->b);
    arg_text(&a, r->text.data ? r->text.data : "{}");
    arg_text(&a, r->stopping ? "f" : "t");
    arg_text(&a, length);
    r->set.leases->asked_at_ms = now_ms;
    r->renew_at_ms = now_ms + LIMIT_LEASE_RENEW_MS;
    return ask(r, pipe, WORKER_SQL_LEASE_RENEW, &a, false, renewed);
}

static void released(void *arg, PGresult *res)
{
    struct reader *r = arg;
    int shard = r->released;
    r->released = -1;
    if (!good(r, res, "lease_release") || shard < 0)
        return;
    r->set.leases->state[shard] = LEASE_NONE;
    drop_lost_shards(r);
}

static int release_drained(struct reader *r, struct pipe *pipe)
{
    struct args a = {0};
    r->released = leases_drained(r->set.leases);
    pg_array_clear(&r->shards);
    pg_array_int2(&r->shards, (int16_t)r->released);
    arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    arg_array(&a, &r->shards);
    return ask(r, pipe, WORKER_SQL_LEASE_RELEASE, &a, false, released);
}

static void left(void *arg, PGresult *res)
{
    struct reader *r = arg;
    r->left = good(r, res, "sender_leave");
}

static int leave(struct reader *r, struct pipe *pipe)
{
    struct args a = {0};
    arg_bytes(&a, r->set.owner->b, sizeof r->set.owner->b);
    return ask(r, pipe, WORKER_SQL_SENDER_LEAVE, &a, false, left);
}

/* --- arrivals ----------------------------------------------------------------------------------------------------- */

/* "xmin:xmax:xip,xip,…" (pg_snapshot's text form) becomes the next poll's state. */
static void keep_snapshot(struct reader *r, const char *text)
{
    const char *xmax = strchr(text, ':');
    const char *xip = xmax ? strchr(xmax + 1, ':') : NULL;
    if (!xip || (size_t)(xip - xmax) > sizeof r->xmax)
        return;
    memcpy(r->xmax, xmax + 1, (size_t)(xip - xmax - 1));
    r->xmax[xip - xmax - 1] = '\0';
    buf_clear(&r->xip);
    buf_printf(&r->xip, "{%s}", xip + 1);
    r->has_snapshot = !r->xip.failed;
}

static void take_in(struct reader *r, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (PQgetisnull(res, i, 1))
            continue;
        int32_t webhook = (int32_t)strtol(PQgetvalue(res, i, 1), NULL, 10);
        if (PQgetisnull(res, i, 2)) { /* its settings changed: read again before anything is sent */
            struct destination *known = destinations_find(r->set.destinations, webhook);
            if (known && known->known) {
                known->known = false;
                r->settings_wanted++;
            }
            continue;
        }
        struct destination *d = destinations_get(r->set.destinations, webhook);
        if (!d)
            continue; /* out of memory: the next takeover finds it */
        if (!d->known)
            r->settings_wanted++;
        destination_arrived(d, r->set.held, strtoll(PQgetvalue(res, i, 2), NULL, 10),
                            strtoll(PQgetvalue(res, i, 3), NULL, 10));
    }
}

static void polled(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!good(r, res, "arrivals")) {
        r->poll_now = true;
        return;
    }
    keep_snapshot(r, PQgetvalue(res, 0, 0));
    take_in(r, res);
}

static int poll_arrivals(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct args a = {0};
    pg_array_clear(&r->shards);
    leases_arrays(r->set.leases, &r->shards, NULL);
    arg_array(&a, &r->shards);
    arg_text(&a, r->xmax);
    arg_text(&a, r->xip.data);
    r->poll_now = false;
    r->poll_at_ms = now_ms + POLL_MS;
    return ask(r, pipe, WORKER_SQL_ARRIVALS, &a, false, polled);
}

static void taken_over(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!good(r, res, "takeover")) {
        for (int i = 0; i < LIMIT_SHARDS; i++)
            r->fresh[i] =
                r->set.leases->state[i] == LEASE_HELD; /* scanning one twice does no harm */
        return;
    }
    /* An older snapshot covers more: the shards that were polled before go on from theirs. */
    if (!r->has_snapshot)
        keep_snapshot(r, PQgetvalue(res, 0, 0));
    take_in(r, res);
}

static int take_over(struct reader *r, struct pipe *pipe)
{
    struct args a = {0};
    pg_array_clear(&r->shards);
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (r->fresh[i]) {
            pg_array_int2(&r->shards, (int16_t)i);
            r->fresh[i] = false;
        }
    arg_array(&a, &r->shards);
    return ask(r, pipe, WORKER_SQL_TAKEOVER, &a, false, taken_over);
}

static bool any_fresh(const struct reader *r)
{
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (r->fresh[i])
            return true;
    return false;
}

/* --- settings ----------------------------------------------------------------------------------------------------- */

static unsigned char *column_bytes(const PGresult *res, int row, int col, size_t *n)
{
    *n = 0;
    return PQgetisnull(res, row, col)
               ? NULL
               : PQunescapeBytea((const unsigned char *)PQgetvalue(res, row, col), n);
}

/* Opens a sealed column; the AAD names the place, so that a secret copied elsewhere does not open. -1: it does not. */
static int open_sealed(const struct reader *r, const PGresult *res, int row, int col,
                       const char *column, void *out, size_t cap, size_t *outlen)
{
    char aad[160];
    size_t n;
    snprintf(aad, sizeof aad, "webhooks|%s|%s|%s", column, PQgetvalue(res, row, 1),
             PQgetvalue(res, row, 2));
    unsigned char *sealed = column_bytes(res, row, col, &n);
    *outlen = 0;
    if (!sealed)
        return 0;
    enum seal_result rc = seal_decrypt(r->set.keyring, aad, sealed, n, out, cap, outlen);
    PQfreemem(sealed);
    if (rc != SEAL_OK)
        log_error("webhook %s: %s cannot be opened (is key_file the one it was sealed with?)",
                  PQgetvalue(res, row, 1), column);
    return rc == SEAL_OK ? 0 : -1;
}

static int parse_ints(const char *text, int32_t *out, int max)
{
    int n = 0;
    for (const char *p = text; *p && n < max; p++)
        if (*p == '{' || *p == ',') {
            char *end;
            long v = strtol(p + 1, &end, 10);
            if (end > p + 1)
                out[n++] = (int32_t)v;
        }
    return n;
}

static void read_custom_headers(struct destination_settings *s, const char *json, size_t n)
{
    json_t *o = n ? json_loadb(json, n, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    json_object_foreach(o, name, value)
    {
        size_t len = strlen(name) + json_string_length(value) + 4;
        if (s->header_count >= LIMIT_CUSTOM_HEADERS || !json_is_string(value))
            continue;
        char *line = malloc(len);
        if (line) {
            bool empty = json_string_length(value) ==
                         0; /* libcurl: "Name:" would remove it, "Name;" sends it empty */
            snprintf(line, len, empty ? "%s;" : "%s: %s", name, json_string_value(value));
            s->header_lines[s->header_count++] = line;
        }
    }
    json_decref(o);
}

static void read_url(struct reader *r, struct destination_settings *s, const char *url)
{
    size_t n = strlen(url);
    s->redacted_url = malloc(n * 4 + 64);
    if (s->redacted_url)
        redact_url(url, n, s->redacted_url, n * 4 + 64);
    if (url_policy_check(url, n, r->set.allow, &s->url, &s->refused))
        s->url = (struct url_parts){0};
    else
        s->refused = NULL;
}

static int read_secrets(const struct reader *r, struct destination_settings *s, const PGresult *res,
                        int i)
{
    char headers[LIMIT_CUSTOM_HEADER_BYTES * 2];
    size_t n;
    if (open_sealed(r, res, i, 14, "secret", s->keys[0], sizeof s->keys[0], &s->key_len[0]) ||
        open_sealed(r, res, i, 15, "secret", s->keys[1], sizeof s->keys[1], &s->key_len[1]) ||
        open_sealed(r, res, i, 16, "headers", headers, sizeof headers, &n))
        return -1;
    read_custom_headers(s, headers, n);
    seal_wipe(headers, sizeof headers);
    return 0;
}

static void read_settings(struct reader *r, struct destination *d, const PGresult *res, int i)
{
    struct destination_settings s = {0};
    int32_t expected[100];
    ids_from_hex(PQgetvalue(res, i, 1), strlen(PQgetvalue(res, i, 1)), &s.public_id);
    s.project_id = (int32_t)strtol(PQgetvalue(res, i, 2), NULL, 10);
    s.shard = (int16_t)strtol(PQgetvalue(res, i, 3), NULL, 10);
    s.timeout_ms = (int32_t)strtol(PQgetvalue(res, i, 5), NULL, 10);
    s.max_attempts = (int16_t)strtol(PQgetvalue(res, i, 6), NULL, 10);
    s.schedule_len = parse_ints(PQgetvalue(res, i, 7), s.schedule_s, LIMIT_RETRY_SCHEDULE);
    s.max_concurrency = (int16_t)strtol(PQgetvalue(res, i, 8), NULL, 10);
    s.expected_len = parse_ints(PQgetvalue(res, i, 9), expected, 100);
    for (int k = 0; k < s.expected_len; k++)
        s.expected[k] = (int16_t)expected[k];
    s.hold_budget_s = (int32_t)strtol(PQgetvalue(res, i, 10), NULL, 10);
    s.enabled = PQgetvalue(res, i, 11)[0] == 't';
    s.paused = PQgetvalue(res, i, 12)[0] == 't';
    s.deleted = PQgetvalue(res, i, 13)[0] == 't';
    s.retry_now_at = strtod(PQgetvalue(res, i, 17), NULL);
    s.version = (int32_t)strtol(PQgetvalue(res, i, 18), NULL, 10);
    read_url(r, &s, PQgetvalue(res, i, 4));
    if (read_secrets(r, &s, res, i))
        s.paused = true; /* nothing may leave unsigned: it is held until the key is back */
    if (s.retry_now_at > d->set.retry_now_at)
        d->blocked_until_ms = 0;
    if (d->window > s.max_concurrency)
        d->window = s.max_concurrency;
    /* Transfers under way keep pointers into nothing of the old settings but through d->set, which is replaced whole. */
    destination_settings_release(&d->set);
    d->set = s;
    d->shard = s.shard;
    d->known = true;
}

static void settings_read(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!good(r, res, "webhook_settings"))
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *d = destinations_find(r->set.destinations,
                                                  (int32_t)strtol(PQgetvalue(res, i, 0), NULL, 10));
        if (!d)
            continue;
        read_settings(r, d, res, i);
        if (destination_held(d))
            destination_forget_queue(d, r->set.held);
        r->owner.changed(r->owner.arg, d);
    }
}

static void want_settings(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (d->known)
        return;
    r->settings_wanted++;
    if (r->ints.count < SETTINGS_PER_READ)
        pg_array_int4(&r->ints, d->webhook_id);
}

static int ask_settings(struct reader *r, struct pipe *pipe)
{
    struct args a = {0};
    pg_array_clear(&r->ints);
    r->settings_wanted = 0;
    destinations_each(r->set.destinations, want_settings, r);
    if (!r->ints.count)
        return -1;
    r->settings_wanted -= (size_t)r->ints.count;
    arg_array(&a, &r->ints);
    return ask(r, pipe, WORKER_SQL_WEBHOOK_SETTINGS, &a, false, settings_read);
}

static void gone_told(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (good(r, res, "webhook_gone") && r->ngone > 0)
        memmove(r->gone, r->gone + 1, (size_t)--r->ngone * sizeof *r->gone);
    r->poll_now = true; /* our own change is news to us as well */
}

static int tell_gone(struct reader *r, struct pipe *pipe)
{
    struct args a = {0};
    char webhook[16], owner[IDS_HEX_MAX];
    snprintf(webhook, sizeof webhook, "%d", r->gone[0]);
    ids_to_hex(r->set.owner, owner);
    arg_text(&a, webhook);
    arg_text(&a, owner);
    return ask(r, pipe, WORKER_SQL_WEBHOOK_GONE, &a, false, gone_told);
}

/* --- retries and holds -------------------------------------------------------------------------------------------- */

static void promoted(void *arg, PGresult *res)
{
    struct reader *r = arg;
    int64_t now_ms = clock_ms();
    if (!good(r, res, "promote"))
        return;
    int64_t moved = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    int64_t next = PQgetisnull(res, 0, 1) ? PROMOTE_MS : strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    if (next > PROMOTE_MS)
        next = PROMOTE_MS; /* the database's clock is not ours */
    r->promote_at_ms = now_ms + (next > 1 ? next : 1);
    if (moved)
        r->poll_now = true;
}

static int promote(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct args a = {0};
    pg_array_clear(&r->shards);
    leases_readable(r->set.leases, &r->shards);
    arg_array(&a, &r->shards);
    r->promote_at_ms = now_ms + PROMOTE_MS;
    return ask(r, pipe, WORKER_SQL_PROMOTE, &a, false, promoted);
}

static int16_t be16(const PGresult *res, int i, int col)
{
    uint16_t v;
    memcpy(&v, PQgetvalue(res, i, col), sizeof v);
    return (int16_t)be16toh(v);
}

static int32_t be32(const PGresult *res, int i, int col)
{
    uint32_t v;
    memcpy(&v, PQgetvalue(res, i, col), sizeof v);
    return (int32_t)be32toh(v);
}

static int64_t be64(const PGresult *res, int i, int col)
{
    uint64_t v;
    memcpy(&v, PQgetvalue(res, i, col), sizeof v);
    return (int64_t)be64toh(v);
}

static void read_uuid(const PGresult *res, int i, int col, struct uuid *out)
{
    memcpy(out->b, PQgetvalue(res, i, col), sizeof out->b);
}

/* The columns that heads.sql and overdue_holds.sql have in common. */
static void read_row(const PGresult *res, int i, struct delivery *d)
{
    d->shard = be16(res, i, 0);
    d->pos = be64(res, i, 1);
    d->project_id = be32(res, i, 3);
    d->payload_bytes = be32(res, i, 4);
    d->source_drawer = be32(res, i, 5);
    d->tries = be16(res, i, 6);
    d->class_ = be16(res, i, 7);
    d->generation = be16(res, i, 8);
    read_uuid(res, i, 9, &d->id);
    read_uuid(res, i, 10, &d->event_id);
    d->has_entry = !PQgetisnull(res, i, 11);
    if (d->has_entry)
        read_uuid(res, i, 11, &d->entry_id);
}

static void overdue(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!good(r, res, "overdue_holds"))
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *dest = destinations_find(r->set.destinations, be32(res, i, 2));
        if (!dest || !destination_held(dest) || delivery_table_find(r->set.held, be64(res, i, 1)))
            continue;
        struct delivery *row = delivery_new(NULL, 0, NULL, 0, NULL, 0);
        if (!row)
            return;
        read_row(res, i, row);
        row->dest = dest;
        delivery_table_add(r->set.held, row);
        r->holds_at_ms = 0; /* there may be more */
        r->owner.ends(r->owner.arg, row, REASON_ENDPOINT_DISABLED,
                      dest->set.deleted ? "webhook_deleted" : "hold_budget_used",
                      dest->set.deleted ? "the webhook was deleted"
                      : dest->set.paused
                          ? "the webhook was paused for longer than its hold budget"
                          : "the webhook was disabled for longer than its hold budget");
    }
}

static void want_holds(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (!destination_held(d) || r->shards.count >= LIMIT_HEADS_ROWS ||
        r->set.leases->state[d->shard] != LEASE_HELD)
        return;
    pg_array_int2(&r->shards, d->shard);
    pg_array_int4(&r->ints, d->webhook_id);
    pg_array_int4(&r->ints2, d->set.deleted ? 0 : d->set.hold_budget_s);
}

static int ask_holds(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct args a = {0};
    r->holds_at_ms = now_ms + HOLDS_MS;
    pg_array_clear(&r->shards);
    pg_array_clear(&r->ints);
    pg_array_clear(&r->ints2);
    destinations_each(r->set.destinations, want_holds, r);
    if (!r->shards.count)
        return -1;
    arg_array(&a, &r->shards);
    arg_array(&a, &r->ints);
    arg_array(&a, &r->ints2);
    return ask(r, pipe, WORKER_SQL_OVERDUE_HOLDS, &a, true, overdue);
}

/* --- heads -------------------------------------------------------------------------------------------------------- */

/* Was the drawer among those that the query looked into? If not it is from now on, in place of the oldest. */
static bool drawer_asked(struct reader *r, int32_t drawer, const int32_t asked[LIMIT_DRAWERS])
{
    bool listed = false;
    for (int i = 0; i < LIMIT_DRAWERS; i++) {
        if (asked[i] == drawer)
            return true;
        listed = listed || r->drawers[i] == drawer;
    }
    if (!listed) {
        r->drawers[r->next_drawer] = drawer;
        r->next_drawer = (r->next_drawer + 1) % LIMIT_DRAWERS;
    }
    return false;
}

/* False: out of memory. */
static bool take_row(struct reader *r, struct destination *dest, const PGresult *res, int i)
{
    bool no_source = PQgetisnull(res, i, 12);
    const char *channel = PQgetisnull(res, i, 13) ? NULL : PQgetvalue(res, i, 13);
    const char *payload = PQgetisnull(res, i, 14) ? NULL : PQgetvalue(res, i, 14);
    struct delivery *row = delivery_new(
        no_source ? NULL : PQgetvalue(res, i, 12), (size_t)PQgetlength(res, i, 12), channel,
        (size_t)PQgetlength(res, i, 13), payload, (size_t)PQgetlength(res, i, 14));
    if (!row)
        return false;
    read_row(res, i, row);
    row->has_source = !no_source;
    row->dest = dest;
    delivery_table_add(r->set.held, row);
    if (no_source)
        r->owner.ends(r->owner.arg, row, REASON_INTERNAL, "source_missing",
                      "its event is no longer there");
    else
        destination_enqueue(dest, row);
    return true;
}

static void heads_read(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!res)
        return; /* reader_lost has put everything back */
    r->heads_under_way = false;
    if (!good(r, res, "heads")) {
        destinations_each(r->set.destinations, not_reading, NULL);
        return;
    }
    int32_t asked[LIMIT_DRAWERS];
    memcpy(asked, r->drawers, sizeof asked);
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *d = destinations_find(r->set.destinations, be32(res, i, 2));
        int64_t pos = be64(res, i, 1);
        if (!d || !d->reading)
            continue;
        d->backlog = true; /* there was something: ask again beyond it */
        if (!drawer_asked(r, be32(res, i, 5), asked)) {
            d->reading = false; /* from this row on, with its drawer, next time */
            r->owner.changed(r->owner.arg, d);
            continue;
        }
        if (!delivery_table_find(r->set.held, pos) && !take_row(r, d, res, i)) {
            d->reading = false; /* no memory: again from here, later */
            continue;
        }
        if (pos > d->after)
            d->after = pos;
    }
    bury_ghosts(r);
}

struct heads_request {
    struct reader *r;
    int64_t now_ms;
    int rows;
    unsigned seen, from;
};

static void want_heads(struct destination *d, void *arg)
{
    struct heads_request *q = arg;
    struct reader *r = q->r;
    if (q->seen++ < q->from || q->rows >= LIMIT_HEADS_ROWS ||
        r->set.leases->state[d->shard] != LEASE_HELD)
        return;
    int k = destination_wants_heads(d, q->now_ms);
    if (!k)
        return;
    d->reading = true;
    d->backlog = false; /* until the answer, or an arrival meanwhile, says otherwise */
    pg_array_int2(&r->shards, d->shard);
    pg_array_int4(&r->ints, d->webhook_id);
    pg_array_int8(&r->longs, d->after);
    pg_array_int4(&r->ints2, k);
    q->rows += k;
    if (q->rows >= LIMIT_HEADS_ROWS)
        r->turn = q->seen; /* the next query goes on behind this one */
}

static void heads_done(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (!d->reading)
        return;
    d->reading = false;
    r->owner.changed(r->owner.arg, d);
}

static void heads_answered(void *arg, PGresult *res)
{
    struct reader *r = arg;
    heads_read(arg, res);
    if (res)
        destinations_each(r->set.destinations, heads_done, r);
}

static int ask_heads(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct args a = {0};
    struct heads_request q = {.r = r, .now_ms = now_ms, .from = r->turn};
    if (delivery_table_count(r->set.held) >= LIMIT_PREFETCH)
        return -1;
    pg_array_clear(&r->shards);
    pg_array_clear(&r->ints);
    pg_array_clear(&r->longs);
    pg_array_clear(&r->ints2);
    r->turn = 0;
    destinations_each(r->set.destinations, want_heads, &q);
    if (!q.rows && q.from) {
        q = (struct heads_request){.r = r, .now_ms = now_ms};
        destinations_each(r->set.destinations, want_heads, &q);
    }
    if (!q.rows)
        return -1;
    arg_array(&a, &r->shards);
    arg_array(&a, &r->ints);
    arg_array(&a, &r->longs);
    arg_array(&a, &r->ints2);
    char drawers[LIMIT_DRAWERS][16];
    for (int i = 0; i < LIMIT_DRAWERS; i++) {
        snprintf(drawers[i], sizeof drawers[i], "%d", r->drawers[i]);
        arg_text(&a, drawers[i]);
    }
    r->heads_under_way = true;
    return ask(r, pipe, WORKER_SQL_HEADS, &a, true, heads_answered);
}

/* --- large payloads ----------------------------------------------------------------------------------------------- */

static void payload_read(void *arg, PGresult *res)
{
    struct reader *r = arg;
    struct destination *d = destinations_find(r->set.destinations, r->payload_webhook);
    r->payload_webhook = 0;
    if (!good(r, res, "payload") || !d)
        return;
    d->wants_payload = false;
    struct delivery *row = d->head;
    if (!row || row->pos != r->payload_pos || row->payload)
        return;
    if (!PQntuples(res)) { /* cancelled, or somebody else's by now */
        destination_dequeue(d);
        reader_release_row(r, row);
    } else {
        size_t n = (size_t)PQgetlength(res, 0, 0);
        row->payload = malloc(n + 1);
        if (row->payload) {
            memcpy(row->payload, PQgetvalue(res, 0, 0), n);
            row->payload_bytes = (int32_t)n;
            row->payload_owned = true;
        }
    }
    r->owner.changed(r->owner.arg, d);
}

struct payload_request {
    struct destination *found;
};

static void want_payload(struct destination *d, void *arg)
{
    struct payload_request *q = arg;
    if (!q->found && d->wants_payload && d->head && !d->head->payload)
        q->found = d;
}

static int ask_payload(struct reader *r, struct pipe *pipe)
{
    struct args a = {0};
    char shard[8], webhook[16], pos[24];
    struct payload_request q = {0};
    destinations_each(r->set.destinations, want_payload, &q);
    struct destination *d = q.found;
    if (!d)
        return -1;
    r->payload_webhook = d->webhook_id;
    r->payload_pos = d->head->pos;
    snprintf(shard, sizeof shard, "%d", d->shard);
    snprintf(webhook, sizeof webhook, "%d", d->webhook_id);
    snprintf(pos, sizeof pos, "%lld", (long long)d->head->pos);
    arg_text(&a, shard);
    arg_text(&a, webhook);
    arg_text(&a, pos);
    return ask(r, pipe, WORKER_SQL_PAYLOAD, &a, true, payload_read);
}

/* --- what is next ------------------------------------------------------------------------------------------------- */

/* The most urgent statement that has something to ask; 0 when one was sent. */
static int next_statement(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct leases *l = r->set.leases;
    if (!r->joined)
        return join(r, pipe);
    if (now_ms >= r->renew_at_ms)
        return renew(r, pipe, now_ms);
    if (leases_drained(l) >= 0)
        return release_drained(r, pipe);
    if (r->stopping && leases_count(l, LEASE_NONE) == LIMIT_SHARDS)
        return r->left ? -1 : leave(r, pipe);
    if (any_fresh(r))
        return take_over(r, pipe);
    if (r->ngone)
        return tell_gone(r, pipe);
    if (r->has_snapshot && (r->poll_now || now_ms >= r->poll_at_ms) &&
        leases_count(l, LEASE_NONE) < LIMIT_SHARDS)
        return poll_arrivals(r, pipe, now_ms);
    if (r->settings_wanted && ask_settings(r, pipe) == 0)
        return 0;
    if (now_ms >= r->promote_at_ms && leases_count(l, LEASE_HELD))
        return promote(r, pipe, now_ms);
    if (now_ms >= r->holds_at_ms && ask_holds(r, pipe, now_ms) == 0)
        return 0;
    if (ask_payload(r, pipe) == 0)
        return 0;
    return ask_heads(r, pipe, now_ms);
}

int64_t reader_tick(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    if (!pipe_idle(pipe))
        return INT64_MAX;
    if (now_ms < r->pause_until_ms)
        return r->pause_until_ms;
    if (next_statement(r, pipe, now_ms) == 0)
        return INT64_MAX;
    int64_t next = r->renew_at_ms;
    int64_t others[] = {r->poll_at_ms, r->promote_at_ms, r->holds_at_ms};
    for (int i = 0; i < 3; i++)
        if (others[i] < next)
            next = others[i];
    return next > now_ms ? next : now_ms + 1;
}
