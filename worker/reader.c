/*
 * See reader.h. Owns the reader's lifecycle and the order of its questions; the questions are its parts' (reading.h). A
 * crash loses nothing: a takeover scan finds every row.
 */
#include "worker/reading.h"

#include <stdlib.h>
#include <string.h>

#define XIP_BYTES (4096 * 24) /* the longest list of transactions in a snapshot that is kept */

struct reader *reader_new(const struct reader_set *set, const struct reader_owner *owner)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->set = *set;
    r->owner = *owner;
    r->released = -1;
    buf_init(&r->xip, XIP_BYTES);
    pg_array_init(&r->shards, PG_INT2, 1 << 20);
    pg_array_init(&r->ints, PG_INT4, 1 << 20);
    pg_array_init(&r->ints2, PG_INT4, 1 << 20);
    pg_array_init(&r->longs, PG_INT8, 1 << 20);
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
    if (r->ngone < READING_GONE_MAX)
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

/* What was asked is asked again; leases are kept while their time lasts, and the next poll goes on from the snapshot. */
void reader_lost(struct reader *r)
{
    r->heads_under_way = false;
    r->payload_webhook = 0;
    r->released = -1;
    destinations_each(r->set.destinations, heads_unanswered, NULL);
    heads_bury_ghosts(r);
    r->renew_at_ms = 0;
    r->poll_now = true;
}

/* The most urgent statement that has something to ask; 0 when one was sent. */
static int next_statement(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct leases *l = r->set.leases;
    if (!r->joined)
        return ownership_join(r, pipe);
    if (now_ms >= r->renew_at_ms)
        return ownership_renew(r, pipe, now_ms);
    if (leases_drained(l) >= 0)
        return ownership_release(r, pipe);
    if (r->stopping && leases_count(l, LEASE_NONE) == LIMIT_SHARDS)
        return r->left ? -1 : ownership_leave(r, pipe);
    if (arrivals_unscanned(r))
        return arrivals_take_over(r, pipe);
    if (r->ngone)
        return settings_tell_gone(r, pipe);
    if (r->has_snapshot && (r->poll_now || now_ms >= r->poll_at_ms) &&
        leases_count(l, LEASE_NONE) < LIMIT_SHARDS)
        return arrivals_poll(r, pipe, now_ms);
    if (r->settings_wanted && settings_ask(r, pipe) == 0)
        return 0;
    if (now_ms >= r->promote_at_ms && leases_count(l, LEASE_HELD))
        return waiting_promote(r, pipe, now_ms);
    if (now_ms >= r->holds_at_ms && waiting_ask_holds(r, pipe, now_ms) == 0)
        return 0;
    if (heads_ask_payload(r, pipe) == 0)
        return 0;
    return heads_ask(r, pipe, now_ms);
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
