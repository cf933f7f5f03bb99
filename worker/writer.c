/*
 * See writer.h. Owns the attempts from writer_add() to `finished`. Must never drop one without an answer. A crash loses
 * the outcomes that were not committed: their requests are made again by whoever owns the shard next.
 *
 * The columns of a result are one table: the statement's arrays, in order, with their type and how they are filled.
 */
#include "worker/writer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/pg_array.h"
#include "worker/clock.h"
#include "worker/destination.h"
#include "worker/named.h"
#include "worker_sql.h"

#define RETRY_PAUSE_MS 200
#define ASIDE_MS 20
#define LATELY_MS 100
#define ARRAY_BYTES (96 << 20)

/* --- columns ------------------------------------------------------------------------------------------------------ */

struct column {
    enum pg_type type;
    void (*fill)(struct pg_array *to, const struct attempt *a);
};

#define FILL(name, call)                                                                           \
    static void fill_##name(struct pg_array *to, const struct attempt *a)                          \
    {                                                                                              \
        call;                                                                                      \
    }

static void text_or_null(struct pg_array *to, const char *s)
{
    pg_array_text(to, s && s[0] ? s : NULL);
}

static void buf_or_null(struct pg_array *to, const struct buf *b)
{
    if (b->len)
        pg_array_bytes(to, b->data, b->len);
    else
        pg_array_null(to);
}

/* Of a success a little is kept, of a failure up to the cap. */
static size_t body_kept(const struct attempt *a)
{
    size_t cap = a->outcome == OUTCOME_DELIVERED ? LIMIT_RESPONSE_SUCCESS_BYTES
                                                 : LIMIT_RESPONSE_FAILURE_BYTES;
    return a->response_body.len < cap ? a->response_body.len : cap;
}

static void body_or_null(struct pg_array *to, const struct attempt *a)
{
    if (a->response_body.len)
        pg_array_bytes(to, a->response_body.data, body_kept(a));
    else
        pg_array_null(to);
}

/* What a transform made of the source at this attempt; later ones send it again. */
static void dispatched_or_null(struct pg_array *to, const struct delivery *d)
{
    if (d->transformed)
        pg_array_bytes(to, d->payload, (size_t)d->payload_bytes);
    else
        pg_array_null(to);
}

static void hash_or_null(struct pg_array *to, const struct attempt *a)
{
    if (a->kind == ATTEMPT_REQUEST)
        pg_array_bytes(to, a->body_sha256, sizeof a->body_sha256);
    else
        pg_array_null(to);
}

FILL(shard, pg_array_int2(to, a->delivery->shard))
FILL(webhook, pg_array_int4(to, a->delivery->dest->webhook_id))
FILL(pos, pg_array_int8(to, a->delivery->pos))
FILL(delivery, pg_array_uuid(to, &a->delivery->id))
FILL(n, pg_array_int2(to, (int16_t)(a->delivery->tries + 1)))
FILL(kind, pg_array_int2(to, (int16_t)a->kind))
FILL(outcome, pg_array_int2(to, (int16_t)a->outcome))
FILL(reason, pg_array_int2(to, (int16_t)a->reason))
FILL(status, pg_array_int2(to, (int16_t)a->status))
FILL(age, pg_array_int8(to, clock_us() - a->started_us))
FILL(retry, pg_array_int8(to, a->retry_ms))
FILL(error_code, text_or_null(to, a->error_code))
FILL(error, text_or_null(to, a->error))
FILL(url, text_or_null(to, a->url))
FILL(request_headers, buf_or_null(to, &a->request_headers))
FILL(body_hash, hash_or_null(to, a))
FILL(response_headers, buf_or_null(to, &a->response_headers))
FILL(response_body, body_or_null(to, a))
FILL(truncated, pg_array_bool(to, a->truncated || body_kept(a) < a->response_body.len))
FILL(dns, pg_array_int4(to, a->dns_us))
FILL(connect, pg_array_int4(to, a->connect_us))
FILL(tls, pg_array_int4(to, a->tls_us))
FILL(ttfb, pg_array_int4(to, a->ttfb_us))
FILL(total, pg_array_int4(to, a->total_us))
FILL(remote, text_or_null(to, a->remote))
FILL(class, pg_array_int2(to, a->delivery->class_))
FILL(bytes, pg_array_int4(to, a->delivery->payload_bytes))
FILL(dispatched, dispatched_or_null(to, a->delivery))
FILL(entry, pg_array_uuid(to, &a->entry_id))
FILL(permanent, pg_array_bool(to, a->permanent))
FILL(intentional, pg_array_bool(to, a->intentional))
FILL(fingerprint, pg_array_bytes(to, a->fp.id, sizeof a->fp.id))
FILL(template, text_or_null(to, a->fp.text))

static const struct column columns[] = {
    {PG_INT2, fill_shard},
    {PG_INT4, fill_webhook},
    {PG_INT8, fill_pos},
    {PG_UUID, fill_delivery},
    {PG_INT2, fill_n},
    {PG_INT2, fill_kind},
    {PG_INT2, fill_outcome},
    {PG_INT2, fill_reason},
    {PG_INT2, fill_status},
    {PG_INT8, fill_age},
    {PG_INT8, fill_retry},
    {PG_TEXT, fill_error_code},
    {PG_TEXT, fill_error},
    {PG_TEXT, fill_url},
    {PG_TEXT, fill_request_headers},
    {PG_BYTEA, fill_body_hash},
    {PG_TEXT, fill_response_headers},
    {PG_BYTEA, fill_response_body},
    {PG_BOOL, fill_truncated},
    {PG_INT4, fill_dns},
    {PG_INT4, fill_connect},
    {PG_INT4, fill_tls},
    {PG_INT4, fill_ttfb},
    {PG_INT4, fill_total},
    {PG_TEXT, fill_remote},
    {PG_INT2, fill_class},
    {PG_INT4, fill_bytes},
    {PG_BYTEA, fill_dispatched},
    /* complete_final.sql only */
    {PG_UUID, fill_entry},
    {PG_BOOL, fill_permanent},
    {PG_BOOL, fill_intentional},
    {PG_BYTEA, fill_fingerprint},
    {PG_TEXT, fill_template},
};
#define COLUMNS ((int)(sizeof columns / sizeof *columns))
#define COLUMNS_PLAIN (COLUMNS - 5)
#define FENCE 3 /* owner, shards, epochs come first */

/* --- queues ------------------------------------------------------------------------------------------------------- */

struct queue {
    struct attempt *head, *tail;
    int count;
    size_t bytes;
    int64_t since_ms; /* when it was empty last */
};

/* What is written together. Nobody waits for the last two as a producer's next event does, and each of their statements
 * costs as much as thirty of their rows: they gather for longer while there are others to write (re-drives also when there
 * were lately). */
enum kind {
    KIND_PLAIN,
    KIND_ARRIVED, /* re-drives */
    KIND_DEAD,
    KINDS
};

static const struct {
    enum worker_sql sql;
    int columns, most, wait_ms, busy_wait_ms;
} kinds[KINDS] = {
    [KIND_PLAIN] = {WORKER_SQL_COMPLETE, COLUMNS_PLAIN, LIMIT_BATCH_RESULTS, LIMIT_BATCH_WAIT_MS,
                    LIMIT_BATCH_WAIT_MS},
    [KIND_ARRIVED] = {WORKER_SQL_COMPLETE, COLUMNS_PLAIN, LIMIT_BATCH_REDRIVEN, LIMIT_BATCH_WAIT_MS,
                      LIMIT_BATCH_REDRIVEN_WAIT_MS},
    [KIND_DEAD] = {WORKER_SQL_COMPLETE_FINAL, COLUMNS, LIMIT_BATCH_RESULTS, LIMIT_BATCH_WAIT_MS,
                   LIMIT_BATCH_DEAD_WAIT_MS},
};

struct writer {
    struct uuid owner;
    const struct leases *leases;
    writer_finished *finished;
    void *arg;
    struct queue waiting[KINDS];
    struct queue current; /* under way */
    enum kind current_kind;
    int32_t drawers[LIMIT_DRAWERS]; /* where the sources of what died last lie */
    int ndrawers;
    struct named dead; /* for them */
    int limit; /* results in the next batch; below the maximum while a bad row is looked for */
    int64_t not_before_ms, sent_us, plain_at_ms; /* when a plain one was sent last */
    int failures;                                /* in a row */
    int aside_ms;                                /* that re-drives wait longer than a neighbour's */
    struct pg_array shards, epochs, arrays[COLUMNS];
    struct writer_stats stats;
};

struct writer *writer_new(const struct uuid *owner, int index, const struct leases *leases,
                          writer_finished *finished, void *arg)
{
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->owner = *owner;
    w->leases = leases;
    w->finished = finished;
    w->arg = arg;
    w->limit = LIMIT_BATCH_RESULTS;
    w->aside_ms = index % 4 * ASIDE_MS;
    named_init(&w->dead, &worker_sql[kinds[KIND_DEAD].sql]);
    pg_array_init(&w->shards, PG_INT2, 4096);
    pg_array_init(&w->epochs, PG_INT8, 4096);
    for (int i = 0; i < COLUMNS; i++)
        pg_array_init(&w->arrays[i], columns[i].type, ARRAY_BYTES);
    return w;
}

static void push(struct queue *q, struct attempt *a, int64_t now_ms)
{
    if (!q->head)
        q->since_ms = now_ms;
    a->next = NULL;
    if (q->tail)
        q->tail->next = a;
    else
        q->head = a;
    q->tail = a;
    q->count++;
    q->bytes += attempt_bytes(a);
}

static struct attempt *pop(struct queue *q)
{
    struct attempt *a = q->head;
    if (!a)
        return NULL;
    q->head = a->next;
    if (!q->head)
        q->tail = NULL;
    q->count--;
    q->bytes -= attempt_bytes(a);
    a->next = NULL;
    return a;
}

/* Puts a whole queue in front of another. */
static void prepend(struct queue *to, struct queue *first)
{
    if (!first->head)
        return;
    first->tail->next = to->head;
    if (!to->tail)
        to->tail = first->tail;
    to->head = first->head;
    to->count += first->count;
    to->bytes += first->bytes;
    to->since_ms = 0; /* overdue */
    *first = (struct queue){0};
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    prepend(&w->waiting[0], &w->current);
    for (int kind = 0; kind < KINDS; kind++)
        for (struct attempt *a; (a = pop(&w->waiting[kind]));)
            attempt_free(a);
    pg_array_release(&w->shards);
    pg_array_release(&w->epochs);
    for (int i = 0; i < COLUMNS; i++)
        pg_array_release(&w->arrays[i]);
    free(w);
}

static enum kind kind_of(const struct attempt *a)
{
    if (a->outcome == OUTCOME_DEAD && !delivery_is_notice(a->delivery))
        return KIND_DEAD;
    return a->delivery->has_entry && a->outcome == OUTCOME_DELIVERED ? KIND_ARRIVED : KIND_PLAIN;
}

void writer_add(struct writer *w, struct attempt *a, int64_t now_ms)
{
    push(&w->waiting[kind_of(a)], a, now_ms);
}

static int waiting_count(const struct writer *w)
{
    int n = 0;
    for (int kind = 0; kind < KINDS; kind++)
        n += w->waiting[kind].count;
    return n;
}

bool writer_full(const struct writer *w)
{
    size_t bytes = 0;
    for (int kind = 0; kind < KINDS; kind++)
        bytes += w->waiting[kind].bytes;
    return waiting_count(w) > 2 * LIMIT_BATCH_RESULTS || bytes > 4 * LIMIT_BATCH_BYTES;
}

bool writer_empty(const struct writer *w)
{
    return waiting_count(w) == 0 && !w->current.head;
}

int writer_waiting(const struct writer *w)
{
    return waiting_count(w) + w->current.count;
}

const struct writer_stats *writer_stats(const struct writer *w)
{
    return &w->stats;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* The row that no statement takes: it ends as `internal`, with nothing foreign in it. */
static void make_internal(struct attempt *a)
{
    char why[] = "this attempt could not be written; its bytes were left out";
    buf_clear(&a->response_body);
    buf_clear(&a->response_headers);
    buf_clear(&a->request_headers);
    a->status = 0;
    a->remote[0] = '\0';
    attempt_verdict(a, REASON_INTERNAL, "unwritable", why);
    ids_new(&a->entry_id);
    memset(&a->fp, 0, sizeof a->fp);
}

static bool state_is(const PGresult *res, const char *prefix)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    return state && strncmp(state, prefix, strlen(prefix)) == 0;
}

/* Could one bad row be the cause? Data exceptions, constraints, limits. Anything else hits every row alike, and halving
 * would turn what was delivered into dead letters. */
static bool about_data(const PGresult *res)
{
    return state_is(res, "22") || state_is(res, "23") || state_is(res, "54");
}

static void refused(struct writer *w, const PGresult *res, int64_t now_ms)
{
    int n = w->current.count;
    struct queue *waiting = &w->waiting[w->current_kind];
    log_error("completion of %d results failed: sqlstate=%s %s", n,
              PQresultErrorField(res, PG_DIAG_SQLSTATE),
              PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
    if (state_is(res, "DL001")) { /* a source was carried meanwhile: all are read and sent again */
        for (struct attempt *a; (a = pop(&w->current));) {
            a->stale = true;
            w->finished(w->arg, a);
        }
        return;
    }
    w->failures += w->failures < 5;
    w->not_before_ms = now_ms + (RETRY_PAUSE_MS << w->failures);
    if (!about_data(res)) {
        prepend(waiting, &w->current);
        return;
    }
    if (n > 1) {
        w->limit = n / 2;
        prepend(waiting, &w->current);
        return;
    }
    struct attempt *a = pop(&w->current);
    w->limit = LIMIT_BATCH_RESULTS;
    if (a->reason == REASON_INTERNAL) {
        /* Not even that: it stays in the queue of the database and is tried again by the next owner. */
        log_error("delivery at position %lld cannot be ended", (long long)a->delivery->pos);
        a->stale = a->unwritable = true;
        w->finished(w->arg, a);
        return;
    }
    make_internal(a);
    push(&w->waiting[KIND_DEAD], a, now_ms);
}

static int compare_pos(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The rare case: some rows were not there. Positions that came back are looked up in order. */
static void mark_stale(struct queue *q, const PGresult *res)
{
    int n = PQntuples(res);
    int64_t *done = malloc(sizeof *done * (size_t)(n + 1));
    for (int i = 0; done && i < n; i++)
        done[i] = strtoll(PQgetvalue(res, i, 0), NULL, 10);
    if (done)
        qsort(done, (size_t)n, sizeof *done, compare_pos);
    for (struct attempt *a = q->head; a; a = a->next)
        a->stale = !done || !bsearch(&a->delivery->pos, done, (size_t)n, sizeof *done, compare_pos);
    free(done);
}

static void answered(void *arg, PGresult *res)
{
    struct writer *w = arg;
    int64_t now_ms = clock_ms();
    if (!res) {
        prepend(&w->waiting[w->current_kind], &w->current);
        return;
    }
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        refused(w, res, now_ms);
        return;
    }
    w->failures = 0;
    histogram_observe(&w->stats.sizes, &histogram_rows, w->current.count);
    histogram_observe(&w->stats.seconds, &histogram_seconds,
                      (double)(clock_us() - w->sent_us) / 1e6);
    w->stats.batches++;
    w->stats.results += w->current.count;
    w->stats.stale += w->current.count - PQntuples(res);
    if (PQntuples(res) < w->current.count)
        mark_stale(&w->current, res);
    w->limit = w->limit * 2 > LIMIT_BATCH_RESULTS ? LIMIT_BATCH_RESULTS : w->limit * 2;
    for (struct attempt *a; (a = pop(&w->current));)
        w->finished(w->arg, a);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int64_t wait_ms(const struct writer *w, enum kind kind, int64_t now_ms)
{
    bool plain = w->waiting[KIND_PLAIN].head;
    if (kind == KIND_ARRIVED && (plain || now_ms - w->plain_at_ms < LATELY_MS))
        return kinds[kind].busy_wait_ms + w->aside_ms;
    return plain ? kinds[kind].busy_wait_ms : kinds[kind].wait_ms;
}

/* When a kind's next batch goes out; INT64_MAX: there is none. */
static int64_t due_at(const struct writer *w, enum kind kind, int64_t now_ms)
{
    const struct queue *q = &w->waiting[kind];
    if (!q->head)
        return INT64_MAX;
    if (q->count >= w->limit || q->count >= kinds[kind].most || q->bytes >= LIMIT_BATCH_BYTES)
        return 0;
    return q->since_ms + wait_ms(w, kind, now_ms);
}

/* Is this drawer among those the batch names, or is there room to name it? */
static bool name_drawer(struct writer *w, int32_t drawer)
{
    for (int i = 0; i < w->ndrawers; i++)
        if (w->drawers[i] == drawer)
            return true;
    if (w->ndrawers == LIMIT_DRAWERS)
        return false;
    w->drawers[w->ndrawers++] = drawer;
    return true;
}

static void take(struct writer *w, enum kind kind)
{
    struct queue *q = &w->waiting[kind];
    int64_t since = q->since_ms;
    if (kind == KIND_DEAD)
        w->ndrawers = 0;
    while (q->head && w->current.count < w->limit &&
           (!w->current.head || w->current.bytes + attempt_bytes(q->head) <= LIMIT_BATCH_BYTES) &&
           (kind != KIND_DEAD || name_drawer(w, q->head->delivery->source_drawer)))
        push(&w->current, pop(q), since);
    w->current_kind = kind;
}

static void fill(struct writer *w, int ncolumns)
{
    pg_array_clear(&w->shards);
    pg_array_clear(&w->epochs);
    leases_arrays(w->leases, &w->shards, &w->epochs);
    for (int i = 0; i < ncolumns; i++) {
        pg_array_clear(&w->arrays[i]);
        for (const struct attempt *a = w->current.head; a; a = a->next)
            columns[i].fill(&w->arrays[i], a);
    }
}

struct values {
    int n;
    const char *values[FENCE + COLUMNS + LIMIT_DRAWERS];
    int lengths[FENCE + COLUMNS + LIMIT_DRAWERS];
    int formats[FENCE + COLUMNS + LIMIT_DRAWERS];
};

static void add_value(struct values *v, const void *p, size_t n)
{
    v->values[v->n] = p;
    v->lengths[v->n] = (int)n;
    v->formats[v->n++] = 1;
}

static int send_current(struct writer *w, struct pipe *pipe)
{
    int ncolumns = kinds[w->current_kind].columns;
    struct values v = {0};
    uint32_t drawers[LIMIT_DRAWERS];
    fill(w, ncolumns);
    add_value(&v, w->owner.b, sizeof w->owner.b);
    add_value(&v, w->shards.bytes.data, w->shards.bytes.len);
    add_value(&v, w->epochs.bytes.data, w->epochs.bytes.len);
    for (int i = 0; i < ncolumns; i++)
        add_value(&v, w->arrays[i].bytes.data, w->arrays[i].bytes.len);
    const struct sql_statement *s = &worker_sql[kinds[w->current_kind].sql];
    if (w->current_kind == KIND_DEAD)
        s = named_for(&w->dead, pipe, w->drawers, w->ndrawers);
    for (int i = 0; s == w->dead.plain && i < LIMIT_DRAWERS; i++) {
        drawers[i] = htonl((uint32_t)w->drawers[i < w->ndrawers ? i : 0]);
        add_value(&v, &drawers[i], sizeof drawers[i]);
    }
    w->sent_us = clock_us();
    return pipe_send(pipe, s, v.n, v.values, v.lengths, v.formats, false, answered, w);
}

int64_t writer_tick(struct writer *w, struct pipe *pipe, int64_t now_ms)
{
    if (writer_empty(w))
        return INT64_MAX;
    if (w->current.head || !pipe_idle(pipe))
        return INT64_MAX; /* the pipe's answer brings us back */
    if (now_ms < w->not_before_ms)
        return w->not_before_ms;
    if (named_prepare(&w->dead, pipe, w->drawers, w->ndrawers, now_ms) == 0)
        return INT64_MAX;
    /* In turn: a flood of dead letters must not hold up what was delivered. */
    int64_t next = INT64_MAX;
    for (int i = 0; i < KINDS; i++) {
        enum kind kind = (enum kind)(((int)w->current_kind + 1 + i) % KINDS);
        int64_t at = due_at(w, kind, now_ms);
        if (at <= now_ms) {
            take(w, kind);
            if (kind == KIND_PLAIN)
                w->plain_at_ms = now_ms;
            if (send_current(w, pipe))
                prepend(&w->waiting[kind], &w->current);
            return INT64_MAX;
        }
        next = at < next ? at : next;
    }
    return next;
}
