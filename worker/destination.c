/*
 * See destination.h. Owns the settings of one destination (secrets are wiped when they go) and what was read ahead for
 * it. Must never decide on stale settings: the reader replaces them when arrivals say that they changed. Memory only.
 */
#include "worker/destination.h"

#include <stdlib.h>
#include <string.h>

#include "common/seal.h"
#include "worker/redaction.h"

void destination_settings_release(struct destination_settings *s)
{
    target_release(&s->target);
    redaction_drop(s->redaction);
    free(s->transform);
    free(s->payload_schema);
    for (int i = 0; i < s->header_count; i++)
        seal_wipe_free(s->header_lines[i], strlen(s->header_lines[i]));
    seal_wipe(s->keys, sizeof s->keys);
    free(s->tls_ca);
    seal_wipe_free(s->tls_client, s->tls_client_len);
    memset(s, 0, sizeof *s);
}

void destination_free(struct destination *d)
{
    destination_settings_release(&d->set);
    free(d);
}

bool destination_begin_anew(struct destination *d)
{
    d->proven = false;
    return destination_forgive(d);
}

bool destination_forgive(struct destination *d)
{
    /* what still hangs must not keep it from trying */
    d->window = d->inflight + 1;
    d->threshold = LIMIT_CONCURRENCY;
    d->blocked_until_ms = 0;
    d->recent = (struct recent){0};
    d->in_trouble = d->hung = false;
    return breaker_reset(&d->breaker);
}

bool destination_held(const struct destination *d)
{
    return d->known && (d->set.paused || !d->set.enabled || d->set.deleted);
}

static int window(const struct destination *d)
{
    int most = d->set.max_concurrency < LIMIT_WINDOW ? d->set.max_concurrency : LIMIT_WINDOW;
    return (int)d->window < most ? (int)d->window : most;
}

static bool has_something(const struct destination *d)
{
    for (int i = 0; i < LANES; i++)
        if (d->lanes[i].head && !lane_blocked(&d->lanes[i]))
            return true;
    return false;
}

bool destination_may_send(const struct destination *d, int64_t now_ms)
{
    return d->known && has_something(d) && !destination_held(d) && !d->resolving &&
           now_ms >= d->blocked_until_ms && d->inflight < window(d) &&
           bucket_has(&d->rate, d->set.rate_per_second, now_ms) &&
           breaker_may_send(&d->breaker, d->inflight, now_ms);
}

bool destination_may_send_lane(const struct destination *d, int lane, int percent)
{
    const struct lane *l = &d->lanes[lane];
    return l->head && !lane_blocked(l) &&
           (!l->inflight || (l->inflight + 1) * 100 <= window(d) * percent);
}

int destination_wants_heads(const struct destination *d, int lane, int64_t now_ms, int least)
{
    if (!d->known || destination_held(d) || now_ms < d->blocked_until_ms ||
        d->breaker.state == BREAKER_OPEN)
        return 0;
    /* Little for the many that are slow, and one for a probe. */
    int target = d->breaker.state == BREAKER_HALF_OPEN ? 1 : 2 * window(d);
    if (target < least && target > 1)
        target = least;
    if (target > LIMIT_PREFETCH_PER_WEBHOOK)
        target = LIMIT_PREFETCH_PER_WEBHOOK;
    return lane_wants(&d->lanes[lane], target);
}

bool destination_has_backlog(const struct destination *d)
{
    for (int i = 0; i < LANES; i++)
        if (d->lanes[i].backlog)
            return true;
    return false;
}

bool destination_idle(const struct destination *d)
{
    for (int i = 0; i < LANES; i++)
        if (!lane_idle(&d->lanes[i]))
            return false;
    return !d->completing && !d->resolving && !d->breaker_unsaved && !d->breaker_saving &&
           !recovery_pending(&d->recovery) && d->place == PLACE_OUT;
}

const struct target *destination_target(const struct delivery *row)
{
    return row->own ? row->own : &row->dest->set.target;
}

bool destination_foreign(const struct delivery *row)
{
    return row->own && !target_same_origin(row->own, &row->dest->set.target);
}

void destination_enqueue(struct destination *d, struct delivery *row)
{
    row->dest = d;
    lane_enqueue(&d->lanes[row->class_], row);
}

void destination_forget_queue(struct destination *d, struct delivery_table *held)
{
    for (int i = 0; i < LANES; i++)
        lane_forget(&d->lanes[i], held);
}

void destination_begin(struct destination *d, struct delivery *row, int64_t now_ms)
{
    if (!d->inflight)
        d->progress_ms = now_ms;
    d->inflight++;
    d->inflight_bytes += (size_t)row->counted_bytes;
    d->lanes[row->class_].inflight++;
}

void destination_request_begins(struct destination *d, int64_t now_ms)
{
    bucket_take(&d->rate, d->set.rate_per_second, now_ms);
    breaker_began(&d->breaker, now_ms);
}

void destination_end(struct destination *d, struct delivery *row, int64_t now_ms)
{
    d->progress_ms = now_ms;
    d->inflight--;
    d->inflight_bytes -= (size_t)row->counted_bytes;
    d->lanes[row->class_].inflight--;
}

void destination_succeeded(struct destination *d, bool spare)
{
    d->in_trouble = false;
    if (!spare || d->inflight + 1 < window(d)) /* what is not used needs no more */
        return;
    d->window += d->window < d->threshold ? 1 : 1 / d->window;
    if (d->window > d->set.max_concurrency)
        d->window = d->set.max_concurrency;
}

void destination_troubled(struct destination *d)
{
    d->in_trouble = true;
    d->window = d->window > 2 ? d->window / 2 : 1;
    d->threshold = d->window;
}

enum standing destination_standing(const struct destination *d, int64_t now_ms)
{
    if (recent_is_slow(&d->recent) || d->hung ||
        (d->inflight && now_ms - d->progress_ms > LIMIT_STUCK_MS))
        return STANDING_SLOW;
    if (d->in_trouble)
        return STANDING_TROUBLED;
    return d->proven ? STANDING_GOOD : STANDING_UNPROVEN;
}
