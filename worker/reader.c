/*
 * See reader.h. Owns the reader's lifecycle and the order of its questions; the questions are its parts' (reading.h). A
 * crash loses nothing: a takeover scan finds every row.
 */
#include "worker/reading.h"

#include <stdlib.h>
#include <string.h>

#define RESCAN_MS 3000
#define XIP_BYTES (4096 * 24) /* the longest list of transactions in a snapshot that is kept */

struct reader *reader_new(const struct reader_set *set, const struct reader_owner *owner)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->set = *set;
    r->owner = *owner;
    named_init(&r->heads, &worker_sql[WORKER_SQL_HEADS]);
    buf_init(&r->xip, XIP_BYTES);
    pg_array_init(&r->shards, PG_INT2, 1 << 20);
    pg_array_init(&r->ints, PG_INT4, 1 << 20);
    pg_array_init(&r->ints2, PG_INT4, 1 << 20);
    pg_array_init(&r->classes, PG_INT2, 1 << 20);
    pg_array_init(&r->longs, PG_INT8, 1 << 20);
    pg_array_init(&r->uuids, PG_UUID, 1 << 12);
    pg_array_init(&r->cooldowns, PG_INT8, 1 << 16);
    pg_array_init(&r->requests, PG_INT4, 1 << 16);
    pg_array_init(&r->cited, PG_TEXT, 1 << 18);
    buf_init(&r->text, 1 << 20);
    return r;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    heads_bury_ghosts(r);
    buf_release(&r->xip);
    pg_array_release(&r->shards);
    pg_array_release(&r->ints);
    pg_array_release(&r->ints2);
    pg_array_release(&r->classes);
    pg_array_release(&r->longs);
    pg_array_release(&r->uuids);
    pg_array_release(&r->cooldowns);
    pg_array_release(&r->requests);
    pg_array_release(&r->cited);
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
    if (r->ngone < READING_GONE_MAX)
        r->gone[r->ngone++] = webhook_id; /* beyond it: the next 410 tells us again */
}

void reader_breaker_changed(struct reader *r, struct destination *d)
{
    d->breaker_unsaved = true;
    r->unsaved = 1; /* counted anew when they are asked for */
}

void reader_recovered(struct reader *r)
{
    r->recovered = true;
}

static void forget_settings(struct destination *d, void *unused)
{
    (void)unused;
    d->known = false;
}

void reader_forget_settings(struct reader *r)
{
    destinations_each(r->set.destinations, forget_settings, NULL);
    r->settings_wanted = 1; /* counted anew when they are asked for */
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

/*
 * What was asked is asked again, settings too: nobody told us of changes meanwhile. Leases are kept while their time lasts. The snapshot is not: after a failover or the
 * recovery of a server transaction ids that were never flushed are given out again, so every shard is scanned anew.
 */
void reader_lost(struct reader *r)
{
    r->has_snapshot = false;
    for (int i = 0; i < LIMIT_SHARDS; i++)
        r->fresh[i] = r->set.leases->state[i] == LEASE_HELD;
    r->heads_under_way = false;
    r->payload_webhook = 0;
    r->settings_wanted = 1; /* counted anew when they are asked for */
    destinations_each(r->set.destinations, heads_unanswered, NULL);
    destinations_each(r->set.destinations, settings_doubt, r);
    heads_bury_ghosts(r);
    r->renew_at_ms = 0;
    r->poll_now = true;
}

/* --- what is next --- */

static bool must_join(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return !r->joined;
}

static bool must_renew(const struct reader *r, int64_t now_ms)
{
    return now_ms >= r->renew_at_ms;
}

static bool must_release(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    for (int i = 0; i < LIMIT_SHARDS; i++)
        if (leases_drained(r->set.leases, i))
            return true;
    return false;
}

static bool must_leave(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return r->stopping && !r->left && leases_count(r->set.leases, LEASE_NONE) == LIMIT_SHARDS;
}

static bool must_take_over(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return arrivals_unscanned(r);
}

static bool must_poll(const struct reader *r, int64_t now_ms)
{
    return r->has_snapshot && (r->poll_now || now_ms >= r->poll_at_ms);
}

static bool must_tell_gone(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return r->ngone > 0;
}

static bool must_save_circuits(const struct reader *r, int64_t now_ms)
{
    return r->unsaved > 0 && now_ms >= r->circuits_at_ms;
}

static bool must_tell_recoveries(const struct reader *r, int64_t now_ms)
{
    return r->recovered && now_ms >= r->recoveries_at_ms;
}

static bool wants_settings(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return r->settings_wanted > 0;
}

static bool may_promote(const struct reader *r, int64_t now_ms)
{
    return now_ms >= r->promote_at_ms && leases_count(r->set.leases, LEASE_HELD) > 0;
}

static bool may_end_holds(const struct reader *r, int64_t now_ms)
{
    return now_ms >= r->holds_at_ms && !r->owner.outcomes_wait(r->owner.arg);
}

static bool always(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return !r->stopping;
}

static bool heads_turn(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return !r->stopping && r->payload_was_last;
}

/* The most urgent first. One that failed waits its pause, and the others have their turn. */
static const struct {
    bool (*due)(const struct reader *r, int64_t now_ms);
    int (*ask)(struct reader *r, struct pipe *pipe, int64_t now_ms);
} questions[READING_QUESTIONS] = {
    {must_join, ownership_join},
    {must_renew, ownership_renew},
    {must_release, ownership_release},
    {must_leave, ownership_leave},
    {must_poll, arrivals_poll},
    {must_take_over, arrivals_take_over},
    {must_tell_gone, settings_tell_gone},
    {must_save_circuits, circuits_save},
    {must_tell_recoveries, recoveries_tell},
    {wants_settings, settings_ask},
    {may_promote, waiting_promote},
    {may_end_holds, waiting_ask_holds},
    {trials_over, trials_tell},
    {trials_due, trials_ask},
    {always, heads_name_drawers},
    {heads_turn, heads_ask},
    {always, heads_ask_payload},
    {always, heads_ask},
};

/* 0: one was sent. */
static int ask_next(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    for (int i = 0; i < READING_QUESTIONS && pipe_idle(pipe); i++) {
        if (now_ms < r->not_before_ms[i] || !questions[i].due(r, now_ms))
            continue;
        r->asked = i;
        if (questions[i].ask(r, pipe, now_ms) == 0)
            return 0;
        if (!r->joined)
            return -1; /* nothing before that */
    }
    return -1;
}

/* One of the shards is scanned again now and then: should a row ever slip through, it is found within minutes. */
static void rescan_one(struct reader *r, int64_t now_ms)
{
    if (now_ms < r->rescan_at_ms)
        return;
    r->rescan_at_ms = now_ms + RESCAN_MS;
    for (int i = 0; i < LIMIT_SHARDS; i++) {
        r->rescanned = (r->rescanned + 1) % LIMIT_SHARDS;
        if (r->set.leases->state[r->rescanned] == LEASE_HELD) {
            r->fresh[r->rescanned] = true;
            return;
        }
    }
}

int64_t reader_tick(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    if (!pipe_idle(pipe))
        return INT64_MAX;
    rescan_one(r, now_ms);
    if (ask_next(r, pipe, now_ms) == 0)
        return INT64_MAX;
    int64_t times[] = {r->renew_at_ms, r->poll_at_ms, r->promote_at_ms, r->holds_at_ms,
                       r->rescan_at_ms};
    int64_t next = now_ms + 1000;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] > now_ms && times[i] < next)
            next = times[i];
    for (int i = 0; i < READING_QUESTIONS; i++)
        if (r->not_before_ms[i] > now_ms && r->not_before_ms[i] < next)
            next = r->not_before_ms[i];
    return next;
}
